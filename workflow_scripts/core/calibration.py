"""How well the critic tells right answers from wrong ones, and from which margin on it is believed."""

import math
from collections.abc import Sequence

import numpy as np

from workflow_scripts.core.critic import Judgement, auc, find_threshold, sigmoid
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.metrics import rate

RELIABILITY_BINS = 10
FOLDS = 2


def auc_metric(margins: Sequence[float], is_good: Sequence[bool]) -> dict:
    """The AUC with its 95 % interval and n (Hanley & McNeil 1982, Radiology 143:29, equation 2)."""
    area = auc(margins, is_good)
    good = sum(is_good)
    bad = len(is_good) - good
    two_good, two_bad = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (good - 1) * (two_good - area**2) + (bad - 1) * (two_bad - area**2)
    error = 1.959964 * math.sqrt(max(variance, 0.0) / (good * bad))
    return {
        "value": area,
        "low": max(0.0, area - error),
        "high": min(1.0, area + error),
        "n": len(is_good),
    }


def held_out_precision(margins: np.ndarray, is_good: np.ndarray, items: np.ndarray, target: float) -> dict:
    """Precision at thresholds that were found on other items: two folds, an item's answers in one fold."""
    right = accepted = 0
    for fold in range(FOLDS):
        inside = items % FOLDS == fold
        threshold = find_threshold(margins[~inside], is_good[~inside], target)["threshold"]
        chosen = inside & (margins >= threshold)
        right, accepted = right + int(is_good[chosen].sum()), accepted + int(chosen.sum())
    return rate(right, accepted)


def roc(margins: np.ndarray, is_good: np.ndarray) -> list[dict]:
    """The ROC curve: for each distinct margin as a threshold, the true and false positive rates."""
    points = []
    for threshold in np.unique(margins)[::-1]:
        chosen = margins >= threshold
        points.append(
            {
                "threshold": float(threshold),
                "true_positive_rate": float(chosen[is_good].mean()),
                "false_positive_rate": float(chosen[~is_good].mean()),
            }
        )
    return points


def reliability(margins: np.ndarray, is_good: np.ndarray) -> list[dict]:
    """In ten bins of P(yes): how many answers, the mean P(yes), and the share that is right."""
    p_yes = np.array([sigmoid(margin) for margin in margins])
    bins = np.minimum((p_yes * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    return [
        {
            "low": bin / RELIABILITY_BINS,
            "high": (bin + 1) / RELIABILITY_BINS,
            "n": int((bins == bin).sum()),
            "mean_p_yes": float(p_yes[bins == bin].mean()),
            "right": float(is_good[bins == bin].mean()),
        }
        for bin in np.unique(bins).tolist()
    ]


def calibration_report(
    items: Sequence[dict], judgements: Sequence[Judgement], target_precision: float
) -> dict:
    """The metrics file of the calibration. `judgements`: of each item's reference, then of its corruption.

    Metrics: auc, accuracy (margin above 0 means right), label_order_flip_rate (the verdict changes with the
    order of the labels), threshold_precision (on the items it was found on), held_out_precision (found on one
    half, measured on the other), recall and reached (1 when the precision asked for was reached). Beside
    them: threshold, ROC, reliability, and the AUC by task type, by family and by principle.
    """
    if not items:
        raise InputError(field="test_set.sizes.calibration", value=0, remedy="give some calibration items")
    margins = np.array([judgement.margin for judgement in judgements])
    is_good = np.tile([True, False], len(items))
    place = np.repeat(np.arange(len(items)), 2)
    orders = np.array([judgement.by_order for judgement in judgements])
    found = find_threshold(margins, is_good, target_precision)
    n = len(margins)
    accepted_right = round(found["precision"] * found["accepted"])
    return {
        "stage": "critic",
        "threshold": found["threshold"],
        "target_precision": target_precision,
        "metrics": {
            "auc": auc_metric(margins, is_good.tolist()),
            "accuracy": rate(int(((margins > 0) == is_good).sum()), n),
            "label_order_flip_rate": rate(int(((orders[:, 0] > 0) != (orders[:, 1] > 0)).sum()), n),
            "threshold_precision": rate(accepted_right, found["accepted"]),
            "held_out_precision": held_out_precision(margins, is_good, place, target_precision),
            "recall": rate(accepted_right, len(items)),
            "reached": {"value": float(found["reached"]), "n": n},
        },
        "roc": roc(margins, is_good),
        "reliability": reliability(margins, is_good),
        "auc_by_type": _auc_by(items, margins, "type"),
        "auc_by_family": _auc_by(items, margins, "family"),
        "auc_by_principle": {
            name: auc([judgement.by_principle[name] for judgement in judgements], is_good)
            for name in judgements[0].by_principle
        },
    }


def _auc_by(items: Sequence[dict], margins: np.ndarray, column: str) -> dict[str, dict]:
    """AUC and count of items for each value of a column."""
    values = {}
    for name in sorted({item[column] for item in items}):
        inside = np.repeat([item[column] == name for item in items], 2)
        good = np.tile([True, False], int(inside.sum()) // 2)
        values[name] = {"auc": auc(margins[inside], good), "n": len(good)}
    return values
