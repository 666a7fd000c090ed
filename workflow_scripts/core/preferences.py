"""Preference pairs from best-of-N candidates: the best answer against the worst, by the critic's margin."""

from collections.abc import Sequence

from workflow_scripts.core import hashing
from workflow_scripts.core.completions import completion_of


def by_instruction(candidates: Sequence[dict]) -> dict[str, list[dict]]:
    """Candidates of each instruction_id, by number; instructions in order of first appearance."""
    groups = {}
    for candidate in candidates:
        groups.setdefault(candidate["instruction_id"], []).append(candidate)
    return {name: sorted(group, key=lambda row: row["candidate"]) for name, group in groups.items()}


def best_and_worst(candidates: Sequence[dict], count: int) -> tuple[dict, dict] | None:
    """The usable candidates of highest and lowest margin among the first `count`; on a tie the lower number.

    None where no candidate is usable. A pair set of best-of-2 is therefore cut from the pool of best-of-4.
    """
    usable = [row for row in candidates if row["candidate"] < count and row["usable"]]
    if not usable:
        return None
    best = min(usable, key=lambda row: (-row["verdict_margin"], row["candidate"]))
    worst = min(usable, key=lambda row: (row["verdict_margin"], row["candidate"]))
    return best, worst


def select_pairs(candidates: Sequence[dict], count: int, min_margin: float) -> list[dict]:
    """Rows of the PAIRS schema, at most one for each instruction, in the candidates' order.

    A pair needs two different texts and a difference of margins (log-odds) of at least `min_margin`. Chosen
    and rejected are completions as trained: a leading space, no end-of-text token.
    """
    pairs = []
    for group in by_instruction(candidates).values():
        chosen, rejected = best_and_worst(group, count) or (None, None)
        if chosen is None or chosen["response"] == rejected["response"]:
            continue
        # Margins are stated to a thousandth: 1.2 - 0.7 must not fall below 0.5 by a float's last digit.
        margin = round(chosen["verdict_margin"] - rejected["verdict_margin"], 9)
        if margin >= min_margin:
            pairs.append(_pair(chosen, rejected, margin))
    return pairs


def _pair(chosen: dict, rejected: dict, margin: float) -> dict:
    shared = {
        name: chosen[name]
        for name in ("seed", "prompt_sha256", "provenance", "instruction_id", "instruction", "prompt")
    }
    names = {"chosen_id": chosen["record_id"], "rejected_id": rejected["record_id"]}
    return {
        "record_id": hashing.record_id(**names),
        **shared,
        **names,
        "chosen": completion_of(chosen["response"]),
        "rejected": completion_of(rejected["response"]),
        "chosen_margin": chosen["verdict_margin"],
        "rejected_margin": rejected["verdict_margin"],
        "margin": margin,
    }
