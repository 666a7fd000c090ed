"""How far a scorer and people agree, and what their labels make of a lift."""

from math import sqrt

import numpy as np
from scipy.stats import norm

from workflow_scripts.core.evaluation.lifts import metric


def confusion(scored: np.ndarray, labelled: np.ndarray) -> dict[str, int]:
    """Counts of the four outcomes; both arrays are boolean, of shape [n], over the same answers."""
    return {
        "both_right": int((scored & labelled).sum()),
        "only_scorer_right": int((scored & ~labelled).sum()),
        "only_people_right": int((~scored & labelled).sum()),
        "both_wrong": int((~scored & ~labelled).sum()),
    }


def cohens_kappa(counts: dict[str, int], confidence: float) -> dict:
    """Cohen's kappa (1960) as a metric, with the normal interval of Fleiss, Cohen & Everitt (1969).

    Psychological Bulletin 72:323, equation 13. None where chance alone agrees always: one side knows a single
    outcome only, and so does the other.
    """
    n = sum(counts.values())
    table = np.array(
        [
            [counts["both_right"], counts["only_scorer_right"]],
            [counts["only_people_right"], counts["both_wrong"]],
        ]
    ) / max(n, 1)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, expected = float(np.trace(table)), float(rows @ columns)
    if n == 0 or expected == 1:
        return metric(None, (None, None), n)
    kappa = (observed - expected) / (1 - expected)
    # Terms A, B and C of the variance; `cross[i, j]` is the people's share of i plus the scorer's of j.
    cross = columns[:, None] + rows[None, :]
    agreeing = float(np.sum(np.diag(table) * (1 - np.diag(cross) * (1 - kappa)) ** 2))
    squares = table * cross**2
    differing = (1 - kappa) ** 2 * float(squares.sum() - np.trace(squares))
    chance = (kappa - expected * (1 - kappa)) ** 2
    error = sqrt(max(0.0, agreeing + differing - chance) / n) / (1 - expected)
    half = float(norm.isf((1 - confidence) / 2)) * error
    return metric(kappa, (max(-1.0, kappa - half), min(1.0, kappa + half)), n)


def _share(numerator: int, denominator: int) -> tuple[float, float]:
    """A proportion and its variance."""
    share = numerator / denominator
    return share, share * (1 - share) / denominator


def corrected_success(counts: dict[str, int], successes: int, n: int) -> tuple[float, float] | None:
    """An arm's success rate as people would give it, and its variance; None without labels of both outcomes.

    Double sampling (Tenenbein 1970, JASA 65:1350): the scorer's outcomes of all n answers are weighed by how
    often people call an answer right that the scorer calls right, and one that it calls wrong. Right also
    when more answers of one outcome were labelled than of the other.
    """
    called_right = counts["both_right"] + counts["only_scorer_right"]
    called_wrong = counts["only_people_right"] + counts["both_wrong"]
    scored = successes / n
    needed = [(scored, called_right), (1 - scored, called_wrong)]
    if any(share > 0 and labelled == 0 for share, labelled in needed):
        return None
    right, right_variance = _share(counts["both_right"], called_right) if called_right else (0.0, 0.0)
    wrong, wrong_variance = _share(counts["only_people_right"], called_wrong) if called_wrong else (0.0, 0.0)
    variance = scored**2 * right_variance + (1 - scored) ** 2 * wrong_variance
    variance += (right - wrong) ** 2 * scored * (1 - scored) / n
    return scored * right + (1 - scored) * wrong, variance
