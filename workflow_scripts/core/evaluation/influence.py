"""Does one cluster of items carry the lift? Every group is left out in turn."""

import numpy as np

from workflow_scripts.core.evaluation.lifts import lift_metric, metric
from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.evaluation.shares import differences_of, share_on
from workflow_scripts.core.statistics.tables import paired_table


def leave_one_out(baseline: Answers, candidate: Answers, groups: np.ndarray, confidence: float) -> list[dict]:
    """Each group's part, the one without which least is left first: {group, n, lift, share, without}.

    `groups` holds one label per item, shape [n]. `lift` is the group's own, `share` its part of the whole
    lift (its net wins over all net wins), `without` a metric, the lift of all other items: None where there
    are none.
    """
    differences = differences_of(baseline, candidate)
    found = []
    for group in sorted(set(groups.tolist())):
        inside = groups == group
        own = paired_table(baseline.success[inside], candidate.success[inside])
        rest = paired_table(baseline.success[~inside], candidate.success[~inside])
        found.append(
            {
                "group": group,
                "n": own.n,
                "lift": own.difference,
                "share": share_on(differences, inside),
                "without": lift_metric(rest, 1 - confidence),
            }
        )
    return sorted(found, key=lambda entry: (entry["without"]["value"] or 0.0, entry["group"]))


def audit_influence(baseline: Answers, candidate: Answers, confidence: float) -> tuple[dict, dict]:
    """Metrics of what single clusters and types carry, and all of them under their names."""
    evidence = {
        "clusters": leave_one_out(baseline, candidate, baseline.clusters, confidence),
        "types": leave_one_out(baseline, candidate, baseline.types, confidence),
    }
    largest = max(entry["share"] for entry in evidence["clusters"])
    metrics = {
        "largest_cluster_share": metric(largest, n=len(baseline)),
        "leave_one_cluster_out_lift": evidence["clusters"][0]["without"],
        "leave_one_type_out_lift": evidence["types"][0]["without"],
    }
    return metrics, evidence
