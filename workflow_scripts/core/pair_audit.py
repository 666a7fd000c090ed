"""The audit of a pair set: lengths, margins, duplicates, and whether its candidates bear it out."""

from collections.abc import Sequence
from statistics import fmean, median, variance

from workflow_scripts.core.completions import completion_of
from workflow_scripts.core.metrics import histogram, rate
from workflow_scripts.core.preferences import by_instruction

# Cohen's d where all lengths on a side are equal and the sides differ: infinite, which JSON cannot hold.
LARGEST_EFFECT = 1e6
EXAMPLES = 5


def cohens_d(first: Sequence[float], second: Sequence[float]) -> float:
    """Cohen's d (1988): (mean of first - mean of second) / pooled standard deviation.

    0 for fewer than two values a side or equal means; capped at +-1e6, which stands for no spread at all.
    """
    if min(len(first), len(second)) < 2:
        return 0.0
    difference = fmean(first) - fmean(second)
    degrees = len(first) + len(second) - 2
    pooled = ((len(first) - 1) * variance(first) + (len(second) - 1) * variance(second)) / degrees
    if difference == 0:
        return 0.0
    effect = difference / pooled**0.5 if pooled > 0 else difference * LARGEST_EFFECT
    return max(-LARGEST_EFFECT, min(LARGEST_EFFECT, effect))


def audit(pairs: Sequence[dict], candidates: Sequence[dict], confidence: float = 0.95) -> dict:
    """What a pair set is like, and whether its candidates bear it out: {"metrics", "histograms", "examples"}.

    `confidence` is that of the Wilson intervals. Lengths are in characters of the completion.
    """
    pool = {row["record_id"]: row for row in candidates}
    groups = by_instruction(candidates)
    instructions = len(groups)
    paired = len(groups.keys() & {pair["instruction_id"] for pair in pairs})
    chosen_lengths = [len(pair["chosen"]) for pair in pairs]
    rejected_lengths = [len(pair["rejected"]) for pair in pairs]
    longer = sum(long > short for long, short in zip(chosen_lengths, rejected_lengths, strict=True))
    margins = [pair["margin"] for pair in pairs]
    texts = {(pair["instruction"], pair["chosen"], pair["rejected"]) for pair in pairs}

    def count(values) -> dict:
        return {"value": float(sum(values)), "n": len(pairs)}

    metrics = {
        "pairs": {"value": float(len(pairs)), "n": instructions},
        "instructions": {"value": float(instructions)},
        "candidates": {"value": float(len(candidates))},
        "pair_rate": rate(paired, instructions, confidence),
        "usable_rate": rate(sum(row["usable"] for row in candidates), len(candidates), confidence),
        "chosen_equals_rejected": count(pair["chosen"] == pair["rejected"] for pair in pairs),
        "duplicate_pairs": {"value": float(len(pairs) - len(texts)), "n": len(pairs)},
        "inverted_pairs": count(pair["margin"] <= 0 for pair in pairs),
        "untraceable_pairs": count(not _is_traceable(pair, pool) for pair in pairs),
        "length_cohens_d": {"value": cohens_d(chosen_lengths, rejected_lengths), "n": len(pairs)},
        "longer_chosen_rate": rate(longer, len(pairs), confidence),
        "median_margin": {"value": float(median(margins)) if margins else 0.0, "n": len(pairs)},
        "median_chosen_characters": {
            "value": float(median(chosen_lengths)) if pairs else 0.0,
            "n": len(pairs),
        },
        "median_rejected_characters": {
            "value": float(median(rejected_lengths)) if pairs else 0.0,
            "n": len(pairs),
        },
    }
    ordered = sorted(pairs, key=lambda pair: (pair["margin"], pair["record_id"]))
    return {
        "metrics": metrics,
        "histograms": {"margin": histogram(margins, 0.5)},
        "examples": {
            "smallest_margin": [_example(pair) for pair in ordered[:EXAMPLES]],
            "largest_margin": [_example(pair) for pair in ordered[::-1][:EXAMPLES]],
        },
    }


def _is_traceable(pair: dict, pool: dict[str, dict]) -> bool:
    """Whether both sides are usable candidates of the pair's own instruction, with this text and margin."""
    for side in ("chosen", "rejected"):
        row = pool.get(pair[f"{side}_id"])
        if row is None or not row["usable"] or row["instruction_id"] != pair["instruction_id"]:
            return False
        if completion_of(row["response"]) != pair[side] or row["verdict_margin"] != pair[f"{side}_margin"]:
            return False
    return True


def _example(pair: dict) -> dict:
    return {name: pair[name] for name in ("instruction", "chosen", "rejected", "margin")}
