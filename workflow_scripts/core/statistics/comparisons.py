"""Paired comparisons of arms, over all items and per task type."""

import numpy as np

from workflow_scripts.core.hashing import derive_seed
from workflow_scripts.core.statistics import intervals, mcnemar, multiplicity, power, resampling
from workflow_scripts.core.statistics.analysis import OVERALL, Analysis
from workflow_scripts.core.statistics.tables import PairedTable, paired_table


def _rate(successes: int, n: int, error: float) -> dict:
    """A rate with its Wilson interval: estimate, low, high."""
    low, high = intervals.wilson(successes, n, error)
    return {"estimate": successes / n, "low": low, "high": high}


def _resampled(differences, clusters, analysis: Analysis, *names: str) -> dict:
    """The bootstrap over items and, where clusters are known, what they say; each stream has its own seed."""
    options = {"draws": analysis.bootstrap_samples, "alpha": 1 - analysis.confidence}
    item_seed = derive_seed(analysis.seed, "bootstrap", "items", *names)
    found = {"items": list(resampling.bootstrap_interval(differences, None, seed=item_seed, **options))}
    if clusters is not None:
        cluster_seed = derive_seed(analysis.seed, "bootstrap", "clusters", *names)
        summary = resampling.cluster_summary(differences, clusters, seed=cluster_seed, **options)
        error = summary["standard_error"]
        summary["minimum_detectable_effect"] = (
            power.clustered_minimum_detectable_effect(error, summary["count"], analysis.alpha, analysis.power)
            if error
            else None
        )
        found["clusters"] = summary
    return found


def table_summary(table: PairedTable, analysis: Analysis) -> dict:
    """What the four counts alone say: rates, difference, tests, effect size, smallest detectable lift."""
    error = 1 - analysis.confidence
    return {
        "n": table.n,
        "both": table.both,
        "only_baseline": table.only_baseline,
        "only_candidate": table.only_candidate,
        "neither": table.neither,
        "baseline_rate": _rate(table.baseline_successes, table.n, error),
        "candidate_rate": _rate(table.candidate_successes, table.n, error),
        "difference": {
            "estimate": table.difference,
            "newcombe": list(intervals.newcombe(table, error)),
            "tango": list(intervals.tango(table, error)),
        },
        "mcnemar": mcnemar.tests(table),
        "cohens_h": intervals.cohens_h(
            table.baseline_successes / table.n, table.candidate_successes / table.n
        ),
        "minimum_detectable_effect": power.minimum_detectable_effect(
            table.n, table.discordance, analysis.alpha, analysis.power
        ),
    }


def compare_scope(names: tuple[str, str, str], baseline, candidate, clusters, analysis: Analysis) -> dict:
    """One entry for `names` = (baseline, candidate, scope), before any adjustment for several tests.

    `baseline` and `candidate` are boolean arrays of shape [n] over the same items; `clusters` an array of
    labels of shape [n], or None.
    """
    entry = table_summary(paired_table(baseline, candidate), analysis)
    resampled = _resampled(candidate.astype(np.int64) - baseline, clusters, analysis, *names)
    entry["difference"]["bootstrap"] = resampled["items"]
    entry["clusters"] = resampled.get("clusters")
    return {"baseline": names[0], "candidate": names[1], "scope": names[2], **entry}


def compare_pair(
    names: tuple[str, str], baseline, candidate, types, clusters, analysis: Analysis
) -> list[dict]:
    """The entries of one comparison, not adjusted: overall first, then each type in alphabetical order.

    `types` is an array of shape [n].
    """
    entries = [compare_scope((*names, OVERALL), baseline, candidate, clusters, analysis)]
    for kind in sorted(set(types.tolist())):
        chosen = types == kind
        within = None if clusters is None else clusters[chosen]
        scope = (*names, kind)
        entries.append(compare_scope(scope, baseline[chosen], candidate[chosen], within, analysis))
    return entries


def families(entries: list[dict], primary: tuple[str, str] | None) -> list[tuple[str, list[dict]]]:
    """The entries that are tested together: (role, entries) for each family.

    The primary comparison over all items stands alone. The secondary comparisons over all items are one
    family, and so are the types of each comparison. Without a primary all comparisons are secondary.
    """
    by_role = {"primary": [], "secondary": []}
    types = {}
    for entry in entries:
        pair = (entry["baseline"], entry["candidate"])
        if entry["scope"] == OVERALL:
            by_role["primary" if pair == primary else "secondary"].append(entry)
        else:
            types.setdefault(pair, []).append(entry)
    return [*by_role.items(), *[("type", members) for members in types.values()]]


def adjust(entries: list[dict], primary: tuple[str, str] | None, analysis: Analysis) -> None:
    """Gives every entry its role, adjusted_p, level (what adjusted_p is judged at) and significant, in place.

    A p-value is adjusted over its family by the method that the analysis names for it; the primary one is
    not.
    """
    methods = {"primary": "none", "secondary": analysis.adjustment.arms, "type": analysis.adjustment.types}
    for role, members in families(entries, primary):
        method, p_values = methods[role], [entry["mcnemar"]["mid_p"] for entry in members]
        adjusted = p_values if method == "none" else multiplicity.METHODS[method](p_values)
        for entry, p_value in zip(members, adjusted, strict=True):
            entry["role"], entry["adjusted_p"], entry["level"] = role, p_value, analysis.level(method)
            entry["significant"] = p_value < entry["level"]
