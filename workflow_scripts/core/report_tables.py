"""The rows of the report's tables about outcomes and data: parsed files of a run in, lists of dicts out."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from workflow_scripts.core.evaluation.scored_arms import ScoredArm
from workflow_scripts.core.statistics.intervals import wilson


def _rate(success: np.ndarray, alpha: float) -> dict:
    """Success of shape [n] as n, successes, rate and its Wilson interval at confidence 1 - alpha."""
    n, successes = len(success), int(success.sum())
    low, high = wilson(successes, n, alpha)
    return {
        "n": n,
        "successes": successes,
        "rate": successes / n,
        "rate_low": float(low),
        "rate_high": float(high),
    }


def arm_rows(arms: dict[str, ScoredArm], alpha: float) -> list[dict]:
    """Success of each arm over all items, in the order of the arms."""
    return [{"arm": name, **_rate(arm.success, alpha)} for name, arm in arms.items()]


def type_rows(arms: dict[str, ScoredArm], alpha: float) -> list[dict]:
    """Success of each arm on each type of item: types in alphabetical order, arms in their own."""
    types = sorted({kind for arm in arms.values() for kind in arm.types.tolist()})
    rows = []
    for kind in types:
        for name, arm in arms.items():
            rate = _rate(arm.success[arm.types == kind], alpha)
            rows.append({"type": kind, "arm": name} | {key: rate[key] for key in rate if key != "successes"})
    return rows


def comparison_rows(document: dict) -> list[dict]:
    """Every entry of a comparisons file, flat."""
    rows = []
    for entry in document["comparisons"]:
        difference, tests = entry["difference"], entry["mcnemar"]
        row = {
            name: entry[name] for name in ("baseline", "candidate", "scope", "n", "cohens_h", "adjusted_p")
        }
        row |= {name: entry[name] for name in ("both", "only_baseline", "only_candidate", "neither")}
        row |= {name: entry[name] for name in ("minimum_detectable_effect", "significant", "role", "level")}
        row |= {name: tests[name] for name in ("mid_p", "exact_p", "chi2", "chi2_p", "chi2_cc", "cc_p")}
        row |= _cluster_columns(entry.get("clusters"))
        row["difference"] = difference["estimate"]
        for method in ("newcombe", "tango", "bootstrap"):
            row[f"{method}_low"], row[f"{method}_high"] = difference[method]
        for side in ("baseline_rate", "candidate_rate"):
            row[side] = entry[side]["estimate"]
            row[f"{side}_low"], row[f"{side}_high"] = entry[side]["low"], entry[side]["high"]
        rows.append(row)
    return rows


def _cluster_columns(found: dict | None) -> dict:
    """What an entry says when its items are taken by clusters; nothing where no clusters are known."""
    if found is None:
        return {}
    row = {
        "clusters": found["count"],
        "clustered_error": found["standard_error"],
        "design_effect": found["design_effect"],
        "clustered_p": found["p_value"],
        "clustered_detectable_effect": found["minimum_detectable_effect"],
    }
    for name, key in (("clustered", "interval"), ("cluster_bootstrap", "bootstrap")):
        row[f"{name}_low"], row[f"{name}_high"] = found[key] or (None, None)
    return row


def funnel_rows(reports: dict[str, dict]) -> list[dict]:
    """The steps of each quality report's funnel: how many records are left, and which share of the first."""
    rows = []
    for source, report in reports.items():
        steps = report.get("funnel", [])
        for step in steps:
            share = step["count"] / steps[0]["count"] if steps[0]["count"] else None
            rows.append({"source": source, "step": step["step"], "count": step["count"], "share": share})
    return rows


def metric_rows(reports: dict[str, dict]) -> list[dict]:
    """Every metric of every metrics file; a threshold that was found (the critic's) counts as one."""
    rows = []
    for source, report in reports.items():
        found = report["metrics"]
        if "threshold" in report:
            found = {"threshold": {"value": report["threshold"]}, **found}
        for name, metric in found.items():
            numbers = {key: metric.get(key) for key in ("value", "low", "high", "n")}
            rows.append({"source": source, "metric": name, **numbers})
    return rows


def histogram_rows(reports: dict[str, dict]) -> list[dict]:
    """Every bin of every histogram of the metrics files."""
    return [
        {"source": source, "name": name, **{key: part[key] for key in ("low", "high", "count")}}
        for source, report in reports.items()
        for name, parts in report.get("histograms", {}).items()
        for part in parts
    ]


def reliability_rows(calibration: dict, alpha: float) -> list[dict]:
    """The bins of the critic's reliability curve, with Wilson's intervals at confidence 1 - alpha."""
    rows = []
    for part in calibration["reliability"]:
        low, high = wilson(round(part["right"] * part["n"]), part["n"], alpha)
        interval = {"observed": part["right"], "observed_low": float(low), "observed_high": float(high)}
        bin_of = {"low": part["low"], "high": part["high"], "predicted": part["mean_p_yes"]}
        rows.append({**bin_of, **interval, "n": part["n"]})
    return rows


def roc_rows(calibration: dict) -> list[dict]:
    """The critic's ROC curve, from the strictest threshold on."""
    names = ("threshold", "false_positive_rate", "true_positive_rate")
    return [{name: point[name] for name in names} for point in calibration["roc"]]


def critic_group_rows(calibration: dict) -> list[dict]:
    """The critic's AUC by type of item, by family and by principle."""
    rows = []
    for kind in ("type", "family", "principle"):
        for name, found in calibration[f"auc_by_{kind}"].items():
            measured = found if isinstance(found, dict) else {"auc": found, "n": None}
            rows.append({"by": kind, "name": name, "auc": measured["auc"], "n": measured["n"]})
    return rows


def training_rows(runs: dict[str, Sequence[dict]]) -> list[dict]:
    """Every logged value of every training run, by quantity and step."""
    return [
        {"run": run, **{key: row[key] for key in ("name", "step", "epoch", "value")}}
        for run, rows in runs.items()
        for row in sorted(rows, key=lambda row: (row["name"], row["step"]))
    ]


def gate_rows(gates: dict[str, dict]) -> list[dict]:
    """Every criterion of every gate, with what was measured in which file and what was asked."""
    rows = []
    for name, gate in gates.items():
        for criterion in gate["criteria"]:
            low, high = criterion.get("interval") or (None, None)
            rows.append(
                {
                    "gate": name,
                    "decision": gate["decision"],
                    "source": criterion["file"].removeprefix("../").removesuffix(".json"),
                    **{name: criterion[name] for name in ("metric", "n", "bound", "measured", "threshold")},
                    "value": criterion["value"],
                    "low": low,
                    "high": high,
                    "rule": criterion["rule"],
                    "passed": criterion["decision"] == "pass",
                    "override": gate["override"],
                }
            )
    return rows


def reason_rows(scores: dict[str, Sequence[dict]]) -> list[dict]:
    """How often each reason of failure occurs in each arm; the commonest over all arms first."""
    counts = {
        arm: Counter(row["reason"] for row in rows if not row["success"]) for arm, rows in scores.items()
    }
    total = sum(counts.values(), Counter())
    reasons = sorted(total, key=lambda reason: (-total[reason], reason))
    return [
        {"reason": reason, "arm": arm, "count": counts[arm][reason]} for reason in reasons for arm in scores
    ]


def audit_arm_rows(audit: dict, arms: Sequence[str]) -> list[dict]:
    """What the audit says of each arm's answers: cut off, empty, length, and whether it tells success."""
    rows = []
    for arm in arms:
        summary = audit["arms"][arm]
        row = {"arm": arm, "n": summary["n"]}
        lengths = ("median_characters", "percentile_95_characters", "longest_characters")
        row |= {name: summary["length"][name] for name in lengths}
        for name, found in (
            ("success", summary["success"]),
            ("truncated", summary["truncated"]),
            ("empty", summary["empty"]),
            ("unparseable", summary["unparseable"]),
            ("length_auc", summary["length"]["auc"]),
        ):
            row |= {name: found["value"], f"{name}_low": found.get("low"), f"{name}_high": found.get("high")}
        rows.append(row)
    return rows


def differing_rows(items, scores, responses, pairs: Sequence[tuple[str, str]]) -> list[dict]:
    """The discordant items of each pair (baseline, candidate), with both responses and both reasons.

    `items` rows of ITEMS; `scores`, `responses` {arm: rows of SCORES or RESPONSES}. By pair, type, item.
    """
    scored = {arm: {row["item_id"]: row for row in rows} for arm, rows in scores.items()}
    said = {arm: {row["item_id"]: row["response"] for row in rows} for arm, rows in responses.items()}
    ordered = sorted(items, key=lambda item: (item["type"], item["item_id"]))
    rows = []
    for baseline, candidate in pairs:
        for item in ordered:
            name = item["item_id"]
            first, second = scored[baseline][name], scored[candidate][name]
            if first["success"] != second["success"]:
                rows.append(
                    {
                        "item_id": name,
                        "baseline": baseline,
                        "candidate": candidate,
                        "type": item["type"],
                        "family": item["family"],
                        "succeeded": baseline if first["success"] else candidate,
                        "instruction": item["instruction"],
                        "baseline_response": said[baseline][name],
                        "baseline_reason": first["reason"],
                        "candidate_response": said[candidate][name],
                        "candidate_reason": second["reason"],
                    }
                )
    return rows


def compared_pairs(document: dict, primary: dict) -> list[tuple[str, str]]:
    """Every (baseline, candidate) of a comparisons file, the primary pair first."""
    pairs = [(primary["baseline"], primary["candidate"])]
    pairs += [(entry["baseline"], entry["candidate"]) for entry in document["comparisons"]]
    return list(dict.fromkeys(pairs))
