"""Does one cluster of items carry the lift? Every group is left out in turn."""

import numpy as np

from workflow_scripts.core.evaluation.lifts import lift_metric
from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.statistics.tables import paired_table


def leave_one_out(baseline: Answers, candidate: Answers, groups: np.ndarray, confidence: float) -> list[dict]:
    """Each group's own lift and the lift without it, lowest first: {group, n, lift, without: metric}.

    `groups` holds one label per item, shape [n]; with a single group nothing is left, and `without` is all
    None.
    """
    found = []
    for group in sorted(set(groups.tolist())):
        inside = groups == group
        own = paired_table(baseline.success[inside], candidate.success[inside])
        rest = paired_table(baseline.success[~inside], candidate.success[~inside])
        without = lift_metric(rest, 1 - confidence)
        found.append({"group": group, "n": own.n, "lift": own.difference, "without": without})
    return sorted(found, key=lambda entry: (entry["without"]["value"] or 0.0, entry["group"]))
