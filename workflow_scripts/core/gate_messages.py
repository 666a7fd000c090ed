"""What a person reads when a gate has decided: what was measured and asked, the evidence, and what to do."""

import os
from pathlib import Path

CONSEQUENCES = {
    "pass": "the run goes on",
    "pause": "the run waits: the evidence is not clear enough, and a person should look at it first",
    "stop": "the run ends here: nothing that comes after this gate is worth making from this",
}
# Gate -> what to look at and change, the most likely cause first.
REMEDIES = {
    "contamination": (
        "make sure that base_model is a base (no chat template, adapter or instruct model), and take what is"
        " named as a special or chat token out of prompts, exemplars, constitution and items"
    ),
    "test_set": (
        "read the items that are listed there, correct their family or check in the file that `tasks` names,"
        " and keep a test for the mistake"
    ),
    "headroom": (
        "ask for something harder: the base solves these tasks in the format of the evaluation, so no"
        " training can show; add families it fails on to the file that `tasks` names, or take a smaller base"
    ),
    "critic": (
        "look at the judgements by principle and type: reword the constitution or the critic's prompt, take a"
        " stronger base, or add calibration items if the interval is merely wide"
    ),
    "pilot": (
        "read the pilot's records beside their counts: runaway and token-limit answers want other stop texts"
        " or more shots, leaked delimiters another prompt, duplicates another temperature or other exemplars"
    ),
    "generation": (
        "compare with the pilot, which passed: what grew with the number of records (duplicates, leaks) is"
        " named there; change the sampling of instructions or make fewer shards"
    ),
    "leakage": (
        "the training data share something with evaluation data: look at the colliding records listed"
        " there, and tighten the deduplication, or reserve other items, before anything is trained"
    ),
    "pairs": (
        "read chosen and rejected side by side: raise min_margin or the number of candidates; if style or"
        " length tells them apart, the critic rewards it, and its principles need other words"
    ),
    "sft": (
        "look at dev success per epoch and type: more or cleaner data before other hyperparameters; where the"
        " interval is wide, more dev items (`make gates` prints how often this gate errs)"
    ),
    "dpo": (
        "look at the pairs' audit and at dev success per epoch: better pairs or another beta; where the"
        " interval is wide, more dev items (`make gates` prints how often this gate errs)"
    ),
    "budget_plan": (
        "plan less, take a cheaper GPU, or raise budget.cap: the plan says what each stage costs and what the"
        " cap buys; where optional work was dropped, run again"
    ),
    "budget": (
        "look at what was measured: if a rate is far below the plan's, mend that first (batch size, engine,"
        " longest answers); else plan less, or raise budget.cap; where optional work was dropped, run again"
    ),
    "claim": (
        "do not report an improvement: the criteria that were missed say which other explanation is open;"
        " correct the scorer, the format or the training, and evaluate on test items nobody has seen"
    ),
}
UNKNOWN_GATE = "read it, then change what it blames (data, prompts, settings)"


def _found(file: str, folder) -> str:
    """The path of a recorded file from where the command runs."""
    return Path(os.path.normpath(Path(folder) / file)).as_posix()


def _line(entry: dict, folder) -> str:
    """One criterion in words: what was measured, what was asked, and where to see it."""
    measured = "not measured" if entry["measured"] is None else f"{entry['measured']:.6g}"
    spread = ""
    if entry["interval"] and None not in entry["interval"]:
        spread = f" [{entry['interval'][0]:.6g}, {entry['interval'][1]:.6g}]"
    count = "" if entry["n"] is None else f", n = {entry['n']}"
    value = "" if entry["bound"] == "value" else f" (value {entry['value']})"
    asked = f"asked {entry['rule']}; see {_found(entry['file'], folder)}"
    note = f"; {entry['note']}" if entry.get("note") else ""
    return f"{entry['decision']:5}  measured {measured}{value}{spread}{count}{note}; {asked}"


def remedy(gate: str) -> str:
    """What to do about a gate that did not pass."""
    return REMEDIES.get(gate, UNKNOWN_GATE)


def message(decision: dict, folder=".") -> str:
    """A gate's decision for the log; `folder` is where its file lies, from which it names its evidence."""
    name, outcome = decision["gate"], decision["decision"]
    lines = [
        f"gate {name}: {outcome.upper()}: {CONSEQUENCES[outcome]}",
        *(f"  {_line(entry, folder)}" for entry in decision["criteria"]),
    ]
    if outcome == "pass":
        return "\n".join(lines)
    if decision["override"] is not None:
        lines[0] = f"gate {name}: {outcome.upper()}, but overridden: the run goes on"
        return "\n".join([*lines, f"  OVERRIDDEN, and recorded: {decision['override']}"])
    files = ", ".join(_found(entry["file"], folder) for entry in decision["evidence"])
    return "\n".join(
        [
            *lines,
            f"  Evidence, kept: {files}",
            f"  What to do: {remedy(name)}.",
            f"  To go on all the same, set overrides.{name} in the config to the reason: the report shows it"
            " in red.",
        ]
    )
