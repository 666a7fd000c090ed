"""Quality of generated records: rates with intervals, the funnel of records, histograms, examples."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from workflow_scripts.core.deduplication.exact import first_positions, instruction_sha256
from workflow_scripts.core.deduplication.near import NearParameters, near_duplicate_rate
from workflow_scripts.core.deduplication.skeletons import skeleton
from workflow_scripts.core.detectors import DETECTORS
from workflow_scripts.core.metrics import histogram, rate

INSTRUCTION_REASONS = ("malformed_instruction", "truncated_instruction")
EXAMPLES = 5


def funnel(records: Sequence[dict], train: Sequence[dict] | None = None) -> list[dict]:
    """Records left after each step: [{"step", "count"}]; with `train`, down to what is trained on."""
    well_formed = [row for row in records if row["rejected_reason"] not in INSTRUCTION_REASONS]
    answered = [row for row in well_formed if row["response"]]
    clean = [row for row in answered if row["rejected_reason"] in (None, "critic")]
    accepted = [row for row in clean if row["accepted"]]
    steps = {
        "generated": len(records),
        "well_formed": len(well_formed),
        "answered": len(answered),
        "clean": len(clean),
        "accepted": len(accepted),
        "distinct": len(first_positions(row["instruction"] for row in accepted)),
    }
    if train is not None:
        trained = {instruction_sha256(row["instruction"]) for row in train}
        steps["not_overlapping"] = len(trained & {instruction_sha256(row["instruction"]) for row in accepted})
        steps["trained_on"] = len(train)
    return [{"step": step, "count": count} for step, count in steps.items()]


def quality_report(
    records: Sequence[dict],
    train: Sequence[dict] | None = None,
    near_parameters: NearParameters | None = None,
    confidence: float = 0.95,
) -> dict:
    """Metrics and evidence over all records of one or more shards.

    Rates of answers are over the records that were asked (a well-formed instruction); `acceptance_rate` is
    over the answers that the critic judged, `yield_rate` is distinct accepted instructions over all records.
    `distinct_skeleton_share` is the share of instructions that are left when those which differ in their
    slots alone count once; `near_parameters` say what near is. Returns {"metrics", "funnel",
    "rejected_reasons", "finish_reasons", "histograms", "openings", "examples", "detected"}.
    """
    steps = {step["step"]: step["count"] for step in funnel(records, train)}
    asked = [row for row in records if row["rejected_reason"] not in INSTRUCTION_REASONS]
    judged = [row for row in asked if row["verdict_margin"] is not None]
    tokens = [row["response_tokens"] for row in asked]
    distinct = len(first_positions(row["instruction"] for row in asked))
    margins = [row["verdict_margin"] for row in judged]
    found = [detected(row["instruction"], row["response_raw"], row["finish_reason"]) for row in asked]
    near = round(near_duplicate_rate([row["instruction"] for row in asked], near_parameters) * len(asked))
    skeletons = len({skeleton(row["instruction"]) for row in asked})

    def share(flags: Iterable[bool], n: int) -> dict:
        return rate(sum(flags), n, confidence)

    metrics = {
        "records": {"value": float(len(records))},
        "well_formed_rate": share((True for _ in asked), len(records)),
        **{f"{name}_rate": share((name in names for names in found), len(asked)) for name in DETECTORS},
        "token_limit_rate": share((row["finish_reason"] == "length" for row in asked), len(asked)),
        "empty_response_rate": share((not row["response"] for row in asked), len(asked)),
        "median_answer_tokens": {"value": float(median(tokens)) if tokens else 0.0, "n": len(tokens)},
        "acceptance_rate": share((row["accepted"] for row in judged), len(judged)),
        "yield_rate": rate(steps["distinct"], len(records), confidence),
        "accepted": {"value": float(steps["accepted"])},
        "distinct_instructions": {"value": float(distinct), "n": len(asked)},
        "duplicate_instruction_rate": rate(len(asked) - distinct, len(asked), confidence),
        "near_duplicate_instruction_rate": rate(near, len(asked), confidence),
        "distinct_skeleton_share": rate(skeletons, len(asked), confidence),
    }
    if train is not None:
        metrics |= _trained_metrics(train, confidence)
    reasons = Counter(row["rejected_reason"] for row in records if row["rejected_reason"])
    finishes = Counter(row["finish_reason"] for row in asked)
    return {
        "metrics": metrics,
        "funnel": [{"step": step, "count": count} for step, count in steps.items()],
        "rejected_reasons": dict(sorted(reasons.items())),
        "finish_reasons": dict(sorted(finishes.items())),
        "histograms": {
            "answer_tokens": histogram(tokens, 4),
            "verdict_margin": histogram(margins, 0.5),
        },
        "openings": _openings(asked),
        "examples": _examples(records),
        "detected": _detected_examples(asked, found),
    }


def _trained_metrics(train: Sequence[dict], confidence: float) -> dict:
    """What the examples that are trained on hold that they should not."""
    found = [detected(row["instruction"], row["completion"], "eos") for row in train]
    counts = {name: sum(name in names for names in found) for name in ("delimiter_leak", "refusal")}
    return {
        "trained_records": {"value": float(len(train))},
        "trained_delimiter_leaks": {"value": float(counts["delimiter_leak"]), "n": len(train)},
        "trained_refusal_rate": rate(counts["refusal"], len(train), confidence),
    }


def detected(instruction: str, response_raw: str, finish_reason: str) -> list[str]:
    """The names of the detectors that fire on a response."""
    return [name for name, rule in DETECTORS.items() if rule(instruction, response_raw, finish_reason)]


def _openings(asked: Sequence[dict], most: int = 20) -> list[dict]:
    """The commonest first two words of well-formed instructions, so that a lack of variety is seen."""
    counts = Counter(" ".join(row["instruction"].split()[:2]) for row in asked)
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return [{"opening": opening, "count": count} for opening, count in ordered[:most]]


def _detected_examples(asked: Sequence[dict], found: Sequence[list[str]]) -> dict[str, list[dict]]:
    """The first few responses that each detector fires on, so that a reader can tell whether it should."""
    shown = ("instruction", "response_raw", "finish_reason")
    return {
        name: [
            {field: row[field] for field in shown}
            for row, names in zip(asked, found, strict=True)
            if name in names
        ][:EXAMPLES]
        for name in DETECTORS
    }


def _examples(records: Sequence[dict]) -> dict[str, list[dict]]:
    """The first few records that were accepted, and of every reason to reject one."""
    shown = ("instruction", "response_raw", "verdict_margin", "finish_reason")
    examples = {}
    for row in records:
        few = examples.setdefault("accepted" if row["accepted"] else row["rejected_reason"], [])
        if len(few) < EXAMPLES:
            few.append({name: row[name] for name in shown})
    return dict(sorted(examples.items()))
