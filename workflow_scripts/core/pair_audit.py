"""The audit of a pair set: what tells chosen from rejected apart besides being better, and is it all there.

DPO learns whatever separates the two sides. If that is length, an opening or a stray marker, it learns
length, the opening or the marker: Park et al. 2024 (arXiv:2403.19159) on length. None of these measures
knows which answer is right; they say what could be learnt without knowing it.
"""

from collections.abc import Sequence
from statistics import median

import numpy as np

from workflow_scripts.core.cleaning import leaked_delimiters
from workflow_scripts.core.completions import completion_of
from workflow_scripts.core.effect_sizes import paired_effects
from workflow_scripts.core.metrics import histogram, rate
from workflow_scripts.core.preferences import by_instruction
from workflow_scripts.core.separability import accuracy, separability

EXAMPLES = 5
MARGIN_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SIDES = ("chosen", "rejected")


def audit(pairs: Sequence[dict], candidates: Sequence[dict], confidence: float = 0.95) -> dict:
    """What a pair set is like, and whether its candidates bear it out.

    Returns {"metrics", "telling_words", "margin_quantiles", "histograms", "examples"}; every interval has
    the given confidence.
    """
    pool = {row["record_id"]: row for row in candidates}
    words = separability(pairs, confidence)
    margins = [pair["margin"] for pair in pairs]
    quantiles = np.quantile(margins, MARGIN_QUANTILES).tolist() if margins else []
    return {
        "metrics": {
            **_counts(pairs, pool, candidates, confidence),
            **_length(pairs, pool, confidence),
            **words["metrics"],
        },
        "telling_words": words["telling_words"],
        "margin_quantiles": [
            {"share": share, "margin": margin}
            for share, margin in zip(MARGIN_QUANTILES, quantiles, strict=False)
        ],
        "histograms": {"margin": histogram(margins, 0.5)},
        "examples": _examples(pairs),
    }


def _counts(pairs: Sequence[dict], pool: dict, candidates: Sequence[dict], confidence: float) -> dict:
    """How many pairs there are of how many candidates, and how many of them have something wrong."""
    groups = by_instruction(candidates)
    instructions = len(groups)
    paired = len(groups.keys() & {pair["instruction_id"] for pair in pairs})
    texts = {(pair["instruction"], pair["chosen"], pair["rejected"]) for pair in pairs}
    margins = [pair["margin"] for pair in pairs]

    def count(values) -> dict:
        return {"value": float(sum(values)), "n": len(pairs)}

    return {
        "pairs": {"value": float(len(pairs)), "n": instructions},
        "instructions": {"value": float(instructions)},
        "candidates": {"value": float(len(candidates))},
        "pair_rate": rate(paired, instructions, confidence),
        "usable_rate": rate(sum(row["usable"] for row in candidates), len(candidates), confidence),
        "chosen_equals_rejected": count(pair["chosen"].strip() == pair["rejected"].strip() for pair in pairs),
        "duplicate_pairs": {"value": float(len(pairs) - len(texts)), "n": len(pairs)},
        "inverted_pairs": count(margin <= 0 for margin in margins),
        "untraceable_pairs": count(not _is_traceable(pair, pool) for pair in pairs),
        "chosen_with_markers": count(bool(leaked_delimiters(pair["chosen"])) for pair in pairs),
        "rejected_with_markers": count(bool(leaked_delimiters(pair["rejected"])) for pair in pairs),
        "median_margin": {"value": float(median(margins)) if margins else 0.0, "n": len(pairs)},
    }


def _length(pairs: Sequence[dict], pool: dict, confidence: float) -> dict:
    """How well length tells chosen from rejected: effect sizes, and the share of pairs it gets right alone.

    Lengths are in characters of the completion and in tokens as decoded, the latter of the pairs whose
    candidates are known.
    """
    characters = [[len(pair[side]) for pair in pairs] for side in SIDES]
    known = [pair for pair in pairs if all(pair[f"{side}_id"] in pool for side in SIDES)]
    tokens = [[pool[pair[f"{side}_id"]]["response_tokens"] for pair in known] for side in SIDES]
    of_characters = paired_effects(*characters, confidence, "characters")
    of_tokens = paired_effects(*tokens, confidence, "tokens")
    longer = np.sign(np.subtract(*characters)) if pairs else np.zeros(0)
    # The rule that gets more pairs right: the longer one is chosen, or the shorter one.
    rule = longer if longer.sum() >= 0 else -longer
    return {
        "length_cohens_d": of_characters["pooled"],
        "length_cohens_d_paired": of_characters["paired"],
        "length_cohens_d_tokens": of_tokens["pooled"],
        "length_cohens_d_tokens_paired": of_tokens["paired"],
        "length_accuracy": accuracy(rule, confidence),
        "longer_chosen_rate": rate(int((longer > 0).sum()), len(pairs), confidence),
        **{
            f"median_{side}_characters": {"value": float(median(lengths)) if pairs else 0.0, "n": len(pairs)}
            for side, lengths in zip(SIDES, characters, strict=True)
        },
    }


def _is_traceable(pair: dict, pool: dict[str, dict]) -> bool:
    """Whether both sides are usable candidates of the pair's own instruction, with this text and margin."""
    for side in SIDES:
        row = pool.get(pair[f"{side}_id"])
        if row is None or not row["usable"] or row["instruction_id"] != pair["instruction_id"]:
            return False
        if completion_of(row["response"]) != pair[side] or row["verdict_margin"] != pair[f"{side}_margin"]:
            return False
    return True


def _examples(pairs: Sequence[dict]) -> dict[str, list[dict]]:
    """The pairs that the critic was least and most sure of, and the first that hold a marker."""
    ordered = sorted(pairs, key=lambda pair: (pair["margin"], pair["record_id"]))
    marked = [pair for pair in ordered if any(leaked_delimiters(pair[side]) for side in SIDES)]
    kinds = {"smallest_margin": ordered, "largest_margin": ordered[::-1], "with_markers": marked}
    shown = ("instruction", "chosen", "rejected", "margin")
    return {
        kind: [{name: pair[name] for name in shown} for pair in found[:EXAMPLES]]
        for kind, found in kinds.items()
    }
