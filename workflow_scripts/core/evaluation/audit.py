"""What else than ability could explain the primary comparison, as metrics that the claim gate judges."""

import numpy as np

from workflow_scripts.core.evaluation.claim import claim_metrics
from workflow_scripts.core.evaluation.failures import discordant_examples, failure_reasons
from workflow_scripts.core.evaluation.format_control import audit_format
from workflow_scripts.core.evaluation.human_labels import audit_labels
from workflow_scripts.core.evaluation.incomplete import audit_incomplete, incomplete_summary
from workflow_scripts.core.evaluation.influence import audit_influence
from workflow_scripts.core.evaluation.length import audit_length, length_auc
from workflow_scripts.core.evaluation.lifts import metric
from workflow_scripts.core.evaluation.repeats import Repeat, audit_repeats
from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.hashing import derive_seed
from workflow_scripts.core.metrics import rate

FLAGGED_AUC = 0.8


def length_summary(answers: Answers, confidence: float) -> dict:
    """How long one arm's responses are, and whether length alone tells its successes from its failures."""
    auc = length_auc(answers.length, answers.success, confidence)
    by_type = {}
    for kind in sorted(set(answers.types.tolist())):
        chosen = answers.types == kind
        by_type[kind] = length_auc(answers.length[chosen], answers.success[chosen], confidence)
    return {
        "median_characters": float(np.median(answers.length)),
        "percentile_95_characters": float(np.quantile(answers.length, 0.95)),
        "longest_characters": int(answers.length.max()),
        "auc": auc,
        "auc_by_type": by_type,
        "flagged": auc["value"] is not None and abs(auc["value"] - 0.5) >= FLAGGED_AUC - 0.5,
    }


def arm_summary(answers: Answers, confidence: float, examples: int, instructions: dict[str, str]) -> dict:
    """What one arm's answers look like: success, what is incomplete, length, and why they fail."""
    return {
        "n": len(answers),
        "success": rate(int(answers.success.sum()), len(answers), confidence),
        **incomplete_summary(answers, confidence),
        "length": length_summary(answers, confidence),
        "failure_reasons": failure_reasons(answers, examples, instructions),
    }


def scorer_metrics(baseline: Answers, candidate: Answers, confidence: float) -> dict[str, dict]:
    """Whether the scorer contradicts itself: one item, one response, two outcomes."""
    same = baseline.responses == candidate.responses
    contradicted = same & (baseline.success != candidate.success)
    return {
        "same_response_scored_differently": metric(int(contradicted.sum()), n=len(baseline)),
        "identical_responses": rate(int(same.sum()), len(baseline), confidence),
    }


def audit(
    arms: dict[str, Answers],
    document: dict,
    entry: dict,
    *,
    confidence: float,
    seed: int,
    examples: int,
    instructions: dict[str, str],
    repeats: list[Repeat],
    labels: dict[str, np.ndarray] | None,
) -> dict:
    """The whole audit of the primary comparison `entry` of the comparisons file `document`.

    `instructions` maps item ids to known texts; `repeats` are the arms' repetitions, perhaps none; `labels`
    each arm's labels by people, or None. What was not given has no metrics.
    """
    baseline, candidate = arms[entry["baseline"]], arms[entry["candidate"]]
    compared = baseline, candidate
    seed = derive_seed(seed, "evaluation_audit", baseline.arm, candidate.arm)
    length_metrics, length = audit_length(*compared, confidence, seed)
    format_metrics, formats = audit_format(arms, *compared, confidence)
    influence_metrics, influence = audit_influence(*compared, confidence)
    result = {
        "stage": "evaluation_audit",
        "primary": {"baseline": baseline.arm, "candidate": candidate.arm},
        "confidence": confidence,
        "metrics": {
            **claim_metrics(document, entry),
            **scorer_metrics(*compared, confidence),
            **length_metrics,
            **format_metrics,
            **audit_incomplete(*compared, confidence, seed),
            **influence_metrics,
        },
        "arms": {
            name: arm_summary(answers, confidence, examples, instructions) for name, answers in arms.items()
        },
        "length": length,
        "influence": influence,
        "format_control": formats,
        "repeats": None,
        "human_labels": None,
        "discordant_examples": discordant_examples(*compared, examples, instructions),
    }
    if repeats:
        lift = entry["difference"]["estimate"]
        metrics, result["repeats"] = audit_repeats(repeats, arms, lift, confidence, examples)
        result["metrics"] |= metrics
    if labels is not None:
        metrics, result["human_labels"] = audit_labels(*compared, labels, confidence, examples, instructions)
        result["metrics"] |= metrics
    return result
