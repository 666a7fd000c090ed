"""What the prompt's format alone does, and which part of the claimed lift that is."""

import numpy as np

from workflow_scripts.core.evaluation.lifts import lift_metric, metric
from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.evaluation.shares import share_of
from workflow_scripts.core.metrics import rate
from workflow_scripts.core.statistics.tables import paired_table

RAW, FORMATTED = "base_raw", "base"


def same_prompts(first: Answers, second: Answers) -> bool:
    """Whether two arms were sent the same tokens for every item."""
    return bool(np.array_equal(first.prompts, second.prompts))


def control(arms: dict[str, Answers], confidence: float) -> dict | None:
    """What the completion format does for the untrained base: base against base_raw; None without both."""
    if not {RAW, FORMATTED} <= arms.keys():
        return None
    table = paired_table(arms[RAW].success, arms[FORMATTED].success)
    return {
        RAW: rate(table.baseline_successes, table.n, confidence),
        FORMATTED: rate(table.candidate_successes, table.n, confidence),
        "effect": lift_metric(table, 1 - confidence),
    }


def explained_by_format(
    arms: dict[str, Answers], baseline: Answers, candidate: Answers, lift: float
) -> float | None:
    """The share of the lift that the format gives to the untrained base.

    0 when both arms were prompted alike. When the baseline had the bare instruction and the candidate the
    completion format, the effect of that format on the base over the lift. None for another pair of formats:
    no arm says what they do.
    """
    if same_prompts(baseline, candidate):
        return 0.0
    controlled = {RAW, FORMATTED} <= arms.keys()
    if controlled and same_prompts(baseline, arms[RAW]) and same_prompts(candidate, arms[FORMATTED]):
        effect = float(arms[FORMATTED].success.mean()) - float(arms[RAW].success.mean())
        return share_of(effect, lift)
    return None


def audit_format(
    arms: dict[str, Answers], baseline: Answers, candidate: Answers, confidence: float
) -> tuple[dict, dict | None]:
    """Metrics of the format, and the control that they rest on."""
    lift = float(candidate.success.mean()) - float(baseline.success.mean())
    found = control(arms, confidence)
    n = len(baseline)
    metrics = {
        "prompts_differ": metric(int((baseline.prompts != candidate.prompts).sum()), n=n),
        "format_explained": metric(explained_by_format(arms, baseline, candidate, lift), n=n),
    }
    if found is not None:
        metrics["format_effect"] = found["effect"]
    return metrics, found
