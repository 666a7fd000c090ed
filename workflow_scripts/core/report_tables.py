"""The rows of the report's tables, from the files of a run. Pure functions: parsed files in, lists of dicts out."""

import importlib.metadata
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from workflow_scripts.core.evaluation.scored_arms import ScoredArm
from workflow_scripts.core.hashing import canonical_json, sha256_file
from workflow_scripts.core.statistics.intervals import wilson

ANALYSIS_PACKAGES = ("altair", "jinja2", "numpy", "pyarrow", "scipy", "vl-convert-python")


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
        row |= {name: entry[name] for name in ("minimum_detectable_effect", "significant")}
        row |= {name: tests[name] for name in ("mid_p", "exact_p", "cc_p")}
        row["difference"] = difference["estimate"]
        for method in ("newcombe", "tango", "bootstrap"):
            row[f"{method}_low"], row[f"{method}_high"] = difference[method]
        for side in ("baseline_rate", "candidate_rate"):
            row[side] = entry[side]["estimate"]
            row[f"{side}_low"], row[f"{side}_high"] = entry[side]["low"], entry[side]["high"]
        rows.append(row)
    return rows


def funnel_rows(reports: dict[str, dict]) -> list[dict]:
    """The steps of every quality report that has a funnel: how many records are left, and which share of the first."""
    rows = []
    for source, report in reports.items():
        steps = report.get("funnel", [])
        for step in steps:
            share = step["count"] / steps[0]["count"] if steps[0]["count"] else None
            rows.append({"source": source, "step": step["step"], "count": step["count"], "share": share})
    return rows


def metric_rows(reports: dict[str, dict]) -> list[dict]:
    """Every metric of every metrics file."""
    return [
        {"source": source, "metric": name, **{key: metric.get(key) for key in ("value", "low", "high", "n")}}
        for source, report in reports.items()
        for name, metric in report["metrics"].items()
    ]


def histogram_rows(reports: dict[str, dict]) -> list[dict]:
    """Every bin of every histogram of the metrics files."""
    return [
        {"source": source, "name": name, **{key: part[key] for key in ("low", "high", "count")}}
        for source, report in reports.items()
        for name, parts in report.get("histograms", {}).items()
        for part in parts
    ]


def reliability_rows(calibration: dict) -> list[dict]:
    """The bins of the critic's reliability curve that hold a judgement."""
    rows = []
    for part in calibration["reliability"]:
        if part["n"]:
            low, high = wilson(part["good"], part["n"], 0.05)
            rows.append(
                {
                    "predicted": part["p_yes"],
                    "observed": part["good"] / part["n"],
                    "observed_low": float(low),
                    "observed_high": float(high),
                    "n": part["n"],
                }
            )
    return rows


def training_rows(runs: dict[str, Sequence[dict]]) -> list[dict]:
    """Every logged value of every training run, by quantity and step."""
    return [
        {"run": run, **{key: row[key] for key in ("name", "step", "epoch", "value")}}
        for run, rows in runs.items()
        for row in sorted(rows, key=lambda row: (row["name"], row["step"]))
    ]


def gate_rows(gates: dict[str, dict]) -> list[dict]:
    """Every criterion of every gate, with what was measured and what was asked."""
    rows = []
    for name, gate in gates.items():
        for criterion in gate["criteria"]:
            low, high = criterion.get("interval") or (None, None)
            rows.append(
                {
                    "gate": name,
                    "decision": gate["decision"],
                    "metric": criterion["metric"],
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


def audit_arm_rows(audit: dict) -> list[dict]:
    """What the evaluation audit says of each arm's answers: cut off, empty, how long, and whether length tells success."""
    rows = []
    for arm, summary in audit["arms"].items():
        row = {"arm": arm}
        lengths = ("median_characters", "percentile_95_characters", "longest_characters")
        row |= {name: summary["length"][name] for name in lengths}
        for name, found in (
            ("truncated", summary["truncated"]),
            ("empty", summary["empty"]),
            ("length_auc", summary["length"]["auc"]),
        ):
            row |= {name: found["value"], f"{name}_low": found.get("low"), f"{name}_high": found.get("high")}
        rows.append(row)
    return rows


def differing_rows(items, scores, responses, baseline: str, candidate: str) -> list[dict]:
    """The discordant items of one comparison, with both responses as they were scored and both reasons.

    `items` rows of ITEMS; `scores` and `responses` {arm: rows of SCORES or RESPONSES}. Sorted by type and item.
    """
    scored = {arm: {row["item_id"]: row for row in scores[arm]} for arm in (baseline, candidate)}
    said = {
        arm: {row["item_id"]: row["response"] for row in responses[arm]} for arm in (baseline, candidate)
    }
    rows = []
    for item in sorted(items, key=lambda item: (item["type"], item["item_id"])):
        name = item["item_id"]
        first, second = scored[baseline][name], scored[candidate][name]
        if first["success"] != second["success"]:
            rows.append(
                {
                    "item_id": name,
                    "type": item["type"],
                    "succeeded": baseline if first["success"] else candidate,
                    "instruction": item["instruction"],
                    "baseline_response": said[baseline][name],
                    "baseline_reason": first["reason"],
                    "candidate_response": said[candidate][name],
                    "candidate_reason": second["reason"],
                }
            )
    return rows


def provenance_texts(path) -> list[str]:
    """The distinct provenance texts of a record file, in order of first appearance."""
    column = pq.read_table(path, columns=["provenance"]).column("provenance")
    return list(dict.fromkeys(text for text in column.to_pylist()))


def _plain(value) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def identity_rows(identity: dict, trainings: dict[str, dict], packages: dict[str, str]) -> list[dict]:
    """Who is who: the base model's identity, each training run's report, and the packages that made the numbers.

    Lists and long objects of a training report are left to its file.
    """
    rows = [
        {"subject": "base model", "field": name, "value": _plain(value)}
        for name, value in identity.items()
        if not isinstance(value, dict)
    ]
    rows += [
        {"subject": "base model", "field": name, "value": digest}
        for name, digest in identity.get("files", {}).items()
    ]
    for run, report in trainings.items():
        rows += [
            {"subject": f"training {run}", "field": name, "value": _plain(value)}
            for name, value in report.items()
            if not isinstance(value, dict | list)
        ]
    rows += [
        {"subject": "packages", "field": name, "value": version} for name, version in sorted(packages.items())
    ]
    return rows


def packages_of(texts: Sequence[str]) -> dict[str, str]:
    """Versions of the packages that made the records, as the records say, and of those that made the numbers."""
    versions = {name: importlib.metadata.version(name) for name in ANALYSIS_PACKAGES}
    for text in dict.fromkeys(texts):
        versions |= json.loads(text).get("packages") or {}
    return versions


def record_file_rows(provenance: dict[str, Sequence[str]]) -> list[dict]:
    """What each record file says of its origin; several origins in one file stand side by side."""
    rows = []
    for name, texts in provenance.items():
        origins = [json.loads(text) for text in texts]
        parts = {
            "model": [origin.get("model", {}).get("id") for origin in origins],
            "weights_sha256": [origin.get("model", {}).get("weights_sha256") for origin in origins],
            "engine": [" ".join(_engine(origin.get("engine") or {})) for origin in origins],
            "code_digest": [origin.get("code_digest") for origin in origins],
            "git_commit": [_commit(origin) for origin in origins],
        }
        distinct = {key: dict.fromkeys(str(value) for value in values if value) for key, values in parts.items()}
        rows.append({"file": name} | {key: ", ".join(values) or None for key, values in distinct.items()})
    return rows


def _engine(engine: dict) -> list[str]:
    return [str(engine[key]) for key in ("name", "version", "dtype", "device") if engine.get(key)]


def _commit(origin: dict) -> str | None:
    commit = origin.get("git_commit")
    return f"{commit} with changes" if commit and origin.get("git_dirty") else commit


def file_rows(paths: Sequence[Path], root: Path) -> list[dict]:
    """SHA-256 of each file, by its path below the results' root; each once, sorted."""
    names = sorted({path.relative_to(root).as_posix() for path in paths})
    return [{"file": name, "sha256": sha256_file(root / name)} for name in names]
