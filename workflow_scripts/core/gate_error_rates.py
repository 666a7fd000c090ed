"""How often a gate on a paired lift decides wrongly, exactly, for given true lifts.

The items are taken as independent: each is won by the candidate alone, by the baseline alone, or by neither
alone, so the two discordant counts are multinomial. Every table of some probability is judged by the gate's
own criteria; nothing is simulated or approximated.
"""

from math import lgamma

import numpy as np
from scipy.special import gammaln, xlogy
from scipy.stats import binom

from workflow_scripts.core import gates
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.statistics.intervals import tango_bounds

METRIC = "lift"
OUTCOMES = ("pass", "pause", "stop")
NEGLIGIBLE = 1e-12


def table_probabilities(n: int, discordance: float, lift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Discordant counts and their probabilities: only_baseline, only_candidate, probability, of shape [k].

    `discordance` is the share of items on which the arms disagree, at least |lift| and at most 1. Counts
    whose marginal probability is below 1e-12 are left out.
    """
    shares = (discordance - lift) / 2, (discordance + lift) / 2
    ranges = [
        np.arange(binom.ppf(NEGLIGIBLE, n, share), binom.isf(NEGLIGIBLE, n, share) + 1) for share in shares
    ]
    baseline, candidate = (grid.ravel() for grid in np.meshgrid(*ranges, indexing="ij"))
    possible = baseline + candidate <= n
    baseline, candidate = baseline[possible], candidate[possible]
    rest = n - baseline - candidate
    logarithm = (
        lgamma(n + 1)
        - (gammaln(baseline + 1) + gammaln(candidate + 1) + gammaln(rest + 1))
        + (xlogy(baseline, shares[0]) + xlogy(candidate, shares[1]) + xlogy(rest, 1 - discordance))
    )
    return baseline, candidate, np.exp(logarithm)


def severities(criteria: list[gates.Criterion], bounds: dict) -> np.ndarray:
    """What a gate decides for each lift: 0 pass, 1 pause, 2 stop. `bounds`: arrays value, low, high."""
    decided = np.zeros(np.shape(bounds["value"]), dtype=int)
    for criterion in criteria:
        missed = ~criterion.is_met(bounds[criterion.bound])
        decided = np.maximum(decided, missed * gates.SEVERITY[criterion.otherwise])
    return decided


def right_outcome(criteria: list[gates.Criterion], lift: float) -> str:
    """What the gate would decide if the lift were known exactly."""
    return OUTCOMES[int(severities(criteria, dict.fromkeys(gates.BOUNDS, np.array(lift))))]


def outcome_probabilities(
    criteria: list[gates.Criterion], n: int, discordance: float, lift: float, confidence: float
) -> dict[str, float]:
    """Probability of pass, pause and stop; the lift's bounds are Tango's, each one-sided at `confidence`."""
    baseline, candidate, probability = table_probabilities(n, discordance, lift)
    low, high = tango_bounds(n, baseline, candidate, 2 * (1 - confidence))
    decided = severities(criteria, {"value": (candidate - baseline) / n, "low": low, "high": high})
    return {name: float(probability[decided == place].sum()) for place, name in enumerate(OUTCOMES)}


def error_rates(criteria, n: int, discordance: float, lift: float, confidence: float) -> dict:
    """One row: what is right at this lift, how likely each outcome is, and each way to be wrong.

    Arms that differ by more than the planned discordance disagree at least that often, so the discordance of
    the row is the larger of it and |lift|.
    """
    discordance = max(discordance, abs(lift))
    right = right_outcome(criteria, lift)
    found = outcome_probabilities(criteria, n, discordance, lift, confidence)
    return {
        "lift": lift,
        "discordance": discordance,
        "right": right,
        **found,
        "false_continue": found["pass"] if right != "pass" else 0.0,
        "false_pause": found["pause"] if right == "pass" else 0.0,
        "false_stop": found["stop"] if right != "stop" else 0.0,
    }


def gate_error_rates(
    gate: str, criteria: dict, *, n: int, discordance: float, lifts: list[float], confidence: float
) -> dict:
    """A gate's error rates as rows, at the true lifts given and at its own thresholds, and their largest.

    InputError when the gate judges more than the lift.
    """
    parsed = gates.parse_criteria(gate, criteria)
    other = [criterion.metric for criterion in parsed if criterion.metric != METRIC]
    if other:
        remedy = f"error rates can be stated for criteria on {METRIC} alone: leave this gate out"
        raise InputError(field=f"{gate}.criteria.{other[0]}", remedy=remedy)
    lifts = sorted({*lifts, *(criterion.threshold for criterion in parsed)})
    rows = [error_rates(parsed, n, discordance, lift, confidence) for lift in lifts]
    return {
        "n": n,
        "planned_discordance": discordance,
        "confidence": confidence,
        "criteria": [str(criterion) for criterion in parsed],
        "rows": rows,
        "largest": {
            name: max(row[name] for row in rows) for name in ("false_continue", "false_pause", "false_stop")
        },
    }
