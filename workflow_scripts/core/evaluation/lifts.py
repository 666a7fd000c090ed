"""Success rates and lifts in the form that gates judge: {"value", "low", "high", "n"}."""

from workflow_scripts.core.evaluation.scored_arms import ScoredArm
from workflow_scripts.core.metrics import rate
from workflow_scripts.core.statistics import intervals, mcnemar, power
from workflow_scripts.core.statistics.tables import PairedTable, paired_table


def metric(value, bounds=None, n: int | None = None) -> dict:
    """A metric; bounds and n are left out where there are none. None is what cannot be measured."""
    found = {"value": value}
    if bounds is not None:
        found["low"], found["high"] = bounds
    if n is not None:
        found["n"] = n
    return found


def lift_metric(table: PairedTable, alpha: float, interval=intervals.newcombe) -> dict:
    """A paired difference with its interval; everything None when there are no items."""
    if table.n == 0:
        return metric(None, (None, None), 0)
    return metric(table.difference, interval(table, alpha), table.n)


def arm_rate(arm: ScoredArm, confidence: float, chosen=slice(None)) -> dict:
    """An arm's success rate over all or the chosen items, with Wilson's interval."""
    success = arm.success[chosen]
    return rate(int(success.sum()), len(success), confidence)


def lift_report(baseline: ScoredArm, candidate: ScoredArm, confidence: float) -> dict:
    """The lift on the development items, with one-sided bounds, overall and by type.

    Each of `low` and `high` alone holds with the confidence given (Tango's score interval at twice the
    error), so that a gate on one bound has one minus confidence as its error rate at the threshold.
    """
    alpha = 2 * (1 - confidence)
    table = paired_table(baseline.success, candidate.success)
    detectable = power.minimum_detectable_effect(table.n, table.discordance, alpha)
    types = {}
    for kind in sorted(set(baseline.types.tolist())):
        chosen = baseline.types == kind
        within = paired_table(baseline.success[chosen], candidate.success[chosen])
        types[kind] = lift_metric(within, alpha, intervals.tango)
    return {
        "stage": "dev_lift",
        "baseline": baseline.name,
        "candidate": candidate.name,
        "confidence": confidence,
        "bounds": "Tango score interval; each bound is one-sided at this confidence",
        "metrics": {
            "lift": lift_metric(table, alpha, intervals.tango),
            "baseline_rate": arm_rate(baseline, 1 - alpha),
            "candidate_rate": arm_rate(candidate, 1 - alpha),
            "mid_p": metric(mcnemar.mid_p(table.only_baseline, table.only_candidate), n=table.n),
            "minimum_detectable_effect": metric(detectable, n=table.n),
        },
        "counts": {
            "both": table.both,
            "only_baseline": table.only_baseline,
            "only_candidate": table.only_candidate,
            "neither": table.neither,
        },
        "types": types,
    }


def headroom_report(base: ScoredArm, base_raw: ScoredArm, confidence: float) -> dict:
    """How much the base already solves, in the format of the evaluation and bare, overall and by type."""
    types = {}
    for kind in sorted(set(base.types.tolist())):
        chosen = base.types == kind
        types[kind] = {
            "base": arm_rate(base, confidence, chosen),
            "base_raw": arm_rate(base_raw, confidence, chosen),
        }
    rates = [found["base"]["value"] for found in types.values()]
    return {
        "stage": "headroom",
        "confidence": confidence,
        "bounds": "Wilson for rates, Newcombe for the effect of the format; two-sided at this confidence",
        "metrics": {
            "base_success": arm_rate(base, confidence),
            "base_raw_success": arm_rate(base_raw, confidence),
            "format_effect": lift_metric(paired_table(base_raw.success, base.success), 1 - confidence),
            "lowest_type_success": metric(min(rates)),
            "highest_type_success": metric(max(rates)),
        },
        "types": types,
    }
