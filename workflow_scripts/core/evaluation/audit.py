"""What else than ability could explain the primary comparison, as metrics that the claim gate judges."""

import json
from pathlib import Path

import numpy as np

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.failures import discordant_examples, failure_reasons
from workflow_scripts.core.evaluation.influence import leave_one_out
from workflow_scripts.core.evaluation.length import audit_length, length_auc
from workflow_scripts.core.evaluation.lifts import lift_metric, metric
from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.metrics import rate
from workflow_scripts.core.statistics.analysis import OVERALL
from workflow_scripts.core.statistics.tables import PairedTable, paired_table

FLAGGED_AUC = 0.8


def read_primary(path, primary: tuple[str, str], arms: dict[str, Answers]) -> dict:
    """The primary comparison's overall entry. InputError when it is missing or of other scores."""
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))["comparisons"]
        found = {(entry["baseline"], entry["candidate"], entry["scope"]): entry for entry in entries}
    except FileNotFoundError:
        raise InputError(file=path, remedy="this file does not exist: compare the arms first") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(file=path, field="comparisons", remedy="give the file that compare wrote") from None
    key = (*primary, OVERALL)
    for name in primary:
        if name not in arms:
            known = ", ".join(arms)
            raise InputError(
                field="primary", value=name, remedy=f"no such arm was scored; these were: {known}"
            )
    if key not in found:
        raise InputError(file=path, field="comparisons", value=list(key), remedy="compare these arms too")
    entry = found[key]
    table = paired_table(arms[primary[0]].success, arms[primary[1]].success)
    if any(entry[name] != getattr(table, name) for name in PairedTable.__dataclass_fields__):
        remedy = "the counts are not those of the scores given: compare these scores again"
        raise InputError(file=path, field="comparisons", value=list(key), remedy=remedy)
    return entry


def claim_metrics(entry: dict) -> dict[str, dict]:
    """The primary comparison in the form that gates judge: mid-p, and the lift with Newcombe's interval."""
    difference = entry["difference"]
    return {
        "claim_mid_p": metric(entry["mcnemar"]["mid_p"], n=entry["n"]),
        "claim_lift": metric(difference["estimate"], difference["newcombe"], entry["n"]),
    }


def arm_summary(answers: Answers, confidence: float, examples: int, instructions: dict[str, str]) -> dict:
    """What one arm's answers look like: success, truncation, empty answers, length, and why they fail."""
    n, auc = len(answers), length_auc(answers.length, answers.success, confidence)
    by_type = {}
    for kind in sorted(set(answers.types.tolist())):
        chosen = answers.types == kind
        by_type[kind] = length_auc(answers.length[chosen], answers.success[chosen], confidence)
    return {
        "n": n,
        "success": rate(int(answers.success.sum()), n, confidence),
        "truncated": rate(int(answers.truncated.sum()), n, confidence),
        "empty": rate(int(answers.empty().sum()), n, confidence),
        "length": {
            "median_characters": float(np.median(answers.length)),
            "percentile_95_characters": float(np.quantile(answers.length, 0.95)),
            "longest_characters": int(answers.length.max()),
            "auc": auc,
            "auc_by_type": by_type,
            "flagged": auc["value"] is not None and abs(auc["value"] - 0.5) >= FLAGGED_AUC - 0.5,
        },
        "failure_reasons": failure_reasons(answers, examples, instructions),
    }


def share_difference(baseline: np.ndarray, candidate: np.ndarray, confidence: float) -> dict:
    """How much more often the baseline has a fault than the candidate, paired, as a metric."""
    return lift_metric(paired_table(candidate, baseline), 1 - confidence)


def fairness_metrics(baseline: Answers, candidate: Answers, confidence: float) -> dict[str, dict]:
    """Whether both arms were asked and scored alike, and what truncated and empty answers do to the lift."""
    same = baseline.responses == candidate.responses
    whole = ~(baseline.truncated | candidate.truncated)
    untruncated = paired_table(baseline.success[whole], candidate.success[whole])
    n = len(baseline)
    return {
        "prompts_differ": metric(int((baseline.prompts != candidate.prompts).sum()), n=n),
        "same_response_scored_differently": metric(
            int((same & (baseline.success != candidate.success)).sum()), n=n
        ),
        "identical_responses": rate(int(same.sum()), n, confidence),
        "truncation_difference": share_difference(baseline.truncated, candidate.truncated, confidence),
        "empty_difference": share_difference(baseline.empty(), candidate.empty(), confidence),
        "untruncated_lift": lift_metric(untruncated, 1 - confidence),
    }


def format_control(arms: dict[str, Answers], confidence: float) -> dict | None:
    """What the completion format alone does for the base: base against base_raw; None without these arms."""
    if not {"base", "base_raw"} <= arms.keys():
        return None
    table = paired_table(arms["base_raw"].success, arms["base"].success)
    return {
        "base_raw": rate(table.baseline_successes, table.n, confidence),
        "base": rate(table.candidate_successes, table.n, confidence),
        "effect": lift_metric(table, 1 - confidence),
    }


def audit(
    arms: dict[str, Answers],
    entry: dict,
    *,
    confidence: float,
    examples: int,
    instructions: dict[str, str],
) -> dict:
    """The whole audit of the primary comparison `entry`; `instructions` maps item ids to known texts."""
    baseline, candidate = arms[entry["baseline"]], arms[entry["candidate"]]
    length = audit_length(baseline, candidate, confidence)
    influence = {
        "clusters": leave_one_out(baseline, candidate, baseline.clusters, confidence),
        "types": leave_one_out(baseline, candidate, baseline.types, confidence),
    }
    formats = format_control(arms, confidence)
    metrics = {
        **claim_metrics(entry),
        **length["metrics"],
        **fairness_metrics(baseline, candidate, confidence),
        "leave_one_cluster_out_lift": influence["clusters"][0]["without"],
        "leave_one_type_out_lift": influence["types"][0]["without"],
    }
    if formats is not None:
        metrics["format_effect"] = formats["effect"]
    return {
        "stage": "evaluation_audit",
        "primary": {"baseline": baseline.arm, "candidate": candidate.arm},
        "confidence": confidence,
        "metrics": metrics,
        "arms": {
            name: arm_summary(answers, confidence, examples, instructions) for name, answers in arms.items()
        },
        "length": length["evidence"],
        "influence": influence,
        "format_control": formats,
        "discordant_examples": discordant_examples(baseline, candidate, examples, instructions),
    }
