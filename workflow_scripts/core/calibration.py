"""How well the critic tells right answers from wrong ones, and from which margin on it is believed."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from workflow_scripts.core.constitution import Principle
from workflow_scripts.core.critic import DIGITS, Judgement, auc, find_threshold, sigmoid
from workflow_scripts.core.critic_prior import mean_prior
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.metrics import rate

RELIABILITY_BINS = 10
FOLDS = 2
Z = 1.959964  # of 95 % intervals


def auc_metric(margins: Sequence[float], is_good: Sequence[bool]) -> dict:
    """The AUC with its 95 % interval and n (Hanley & McNeil 1982, Radiology 143:29, equation 2)."""
    area = auc(margins, is_good)
    good = sum(is_good)
    bad = len(is_good) - good
    two_good, two_bad = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (good - 1) * (two_good - area**2) + (bad - 1) * (two_bad - area**2)
    error = Z * math.sqrt(max(variance, 0.0) / (good * bad))
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
    """In ten equal bins of P(yes): how many answers, the mean P(yes), and the share that is right."""
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


def calibration_error(bins: Sequence[dict]) -> float:
    """Expected calibration error (Naeini et al. 2015): |mean P(yes) - share right| over the answers' bins."""
    total = sum(part["n"] for part in bins)
    return sum(part["n"] * abs(part["mean_p_yes"] - part["right"]) for part in bins) / total


def brier(margins: np.ndarray, is_good: np.ndarray, items: np.ndarray) -> dict:
    """Mean squared error of P(yes) (Brier 1950), 0.25 for a critic that always says one half.

    The 95 % interval is normal, over the means of items, as an item's two answers are not independent.
    """
    errors = (np.array([sigmoid(margin) for margin in margins]) - is_good) ** 2
    means = np.bincount(items, errors) / np.bincount(items)
    value = float(errors.mean())
    error = Z * float(means.std(ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else 1.0
    return {"value": value, "low": max(0.0, value - error), "high": min(1.0, value + error), "n": len(errors)}


def length_correlation(margins: np.ndarray, lengths: np.ndarray, groups: Sequence) -> dict:
    """Rank correlation of margin and length within groups; Spearman's rho where there is one group.

    Ranks are taken within each group, made to run from -1/2 to 1/2, and pooled. The 95 % interval is
    Fisher's, with the variance of Bonett & Wright 2000 (Psychometrika 65:23). Without two lengths in a group
    it is 0, of n = 0, anywhere between -1 and 1.
    """
    groups = np.asarray(groups)
    ranks = []
    for group in np.unique(groups):
        inside = groups == group
        if len(np.unique(lengths[inside])) > 1:
            centred = [rankdata(values[inside]) / (inside.sum() + 1) - 0.5 for values in (margins, lengths)]
            ranks.append(np.array(centred))
    pooled = np.concatenate(ranks, axis=1) if ranks else np.zeros((2, 0))
    norm = math.sqrt(float((pooled[0] ** 2).sum() * (pooled[1] ** 2).sum()))
    free = pooled.shape[1] - len(ranks) - 2
    if norm == 0 or free < 1:
        return {"value": 0.0, "low": -1.0, "high": 1.0, "n": 0}
    value = float(pooled[0] @ pooled[1]) / norm
    middle = math.atanh(min(max(value, -0.999999), 0.999999))
    error = Z * math.sqrt((1 + value**2 / 2) / free)
    low, high = math.tanh(middle - error), math.tanh(middle + error)
    return {"value": value, "low": low, "high": high, "n": pooled.shape[1]}


def length_metrics(items: Sequence[dict], margins: np.ndarray, is_good: np.ndarray) -> dict[str, dict]:
    """Whether longer answers get larger margins: among right ones, among wrong ones, and within families.

    A task that asks for longer answers may be easier to judge; `length_correlation` is free of that, as it
    compares answers of one family that are all right or all wrong.
    """
    lengths = np.array([len(item[answer]) for item in items for answer in ("reference", "corruption")])
    families = np.repeat([item["family"] for item in items], 2)
    kinds = [f"{family} {good}" for family, good in zip(families, is_good, strict=True)]
    metrics = {
        f"length_correlation_{name}": length_correlation(
            margins[inside], lengths[inside], np.zeros(inside.sum())
        )
        for name, inside in (("good", is_good), ("bad", ~is_good))
    }
    return {"length_correlation": length_correlation(margins, lengths, kinds), **metrics}


def _probability_metrics(margins: np.ndarray, is_good: np.ndarray, items: np.ndarray) -> dict[str, dict]:
    """What P(yes) is worth as a probability: accuracy (above one half means right), Brier score, ECE."""
    n = len(margins)
    return {
        "accuracy": rate(int(((margins > 0) == is_good).sum()), n),
        "brier": brier(margins, is_good, items),
        "calibration_error": {"value": calibration_error(reliability(margins, is_good)), "n": n},
    }


def calibration_report(
    items: Sequence[dict],
    judgements: Sequence[Judgement],
    target_precision: float,
    principles: Sequence[Principle],
    content_free: Sequence[dict],
) -> dict:
    """The metrics file of the calibration. `judgements`: of each item's reference, then of its corruption.

    Metrics: auc, accuracy (margin above 0 means right), brier, calibration_error (in the bins of
    `reliability`), label_order_flip_rate (the verdict changes with the order of the labels), three
    length_correlations, threshold_precision (on the items it was found on), held_out_precision (found on one
    half, measured on the other), recall and reached (1 when the precision asked for was reached). Beside
    them: threshold, the `prior` that is taken off in `principles`, the `content_free` answers and the
    content_free_prior that they give, what P(yes) is worth with and without that, ROC, reliability, and the
    AUC by type, family and principle.
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
        "prior": {principle.id: principle.prior for principle in principles},
        **_content_free_evidence(principles, content_free, margins, is_good, place),
        "metrics": {
            "auc": auc_metric(margins, is_good.tolist()),
            **_probability_metrics(margins, is_good, place),
            "label_order_flip_rate": rate(int(((orders[:, 0] > 0) != (orders[:, 1] > 0)).sum()), n),
            **length_metrics(items, margins, is_good),
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


def _content_free_evidence(principles, content_free: Sequence[dict], margins, is_good, items) -> dict:
    """The content-free answers, their prior, and what P(yes) is worth without and with that taken off."""
    weights = [principle.weight for principle in principles]
    measured = mean_prior(content_free)
    taken_off = np.average([principle.prior for principle in principles], weights=weights)
    raw = np.round(margins + taken_off, DIGITS)
    shift = np.average([measured[principle.id] for principle in principles], weights=weights)
    worth = {
        name: {key: metric["value"] for key, metric in _probability_metrics(values, is_good, items).items()}
        for name, values in (("without_prior", raw), ("with_prior", np.round(raw - shift, DIGITS)))
    }
    return {"content_free": list(content_free), "content_free_prior": measured, "worth_of_p_yes": worth}


def _auc_by(items: Sequence[dict], margins: np.ndarray, column: str) -> dict[str, dict]:
    """AUC and count of items for each value of a column."""
    values = {}
    for name in sorted({item[column] for item in items}):
        inside = np.repeat([item[column] == name for item in items], 2)
        good = np.tile([True, False], int(inside.sum()) // 2)
        values[name] = {"auc": auc(margins[inside], good), "n": len(good)}
    return values
