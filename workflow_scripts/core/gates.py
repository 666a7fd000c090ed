"""Judges metrics against criteria: pass, pause or stop, with what was measured and what was asked.

A metrics file is JSON, `{"stage": ..., "metrics": {name: {"value": x, "low": x, "high": x, "n": k}}, ...}`;
only `value` is needed, and `null` says that it could not be measured, which meets no criterion; a `note`
says in words what was measured. A criterion asks something of one number of one metric, `{"bound": "value" |
"low" | "high", "at_least" | "at_most" | "below" | "above": x, "otherwise": "stop" | "pause"}`. A metric may
have a list of criteria: a lift may stop a run when even its high bound is too low, and pause it when its low
bound is.
"""

import json
import operator
import os
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_file

COMPARISONS = {
    "at_least": (operator.ge, ">="),
    "at_most": (operator.le, "<="),
    "above": (operator.gt, ">"),
    "below": (operator.lt, "<"),
}
SEVERITY = {"pass": 0, "pause": 1, "stop": 2}
BOUNDS = ("value", "low", "high")


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def read_metrics(paths) -> tuple[dict[str, dict], dict[str, str]]:
    """The metrics of one or more files, and the file of each. InputError for what is no metrics file."""
    metrics, files = {}, {}
    for path in paths:
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))["metrics"].items()
        except FileNotFoundError:
            raise InputError(file=path, remedy="this metrics file does not exist: make it first") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(
                file=path, field="metrics", remedy="give a JSON file with an object of metrics"
            ) from None
        for name, metric in found:
            if name in files:
                remedy = f"{files[name]} has a metric of this name too: give each its own"
                raise InputError(file=path, field=f"metrics.{name}", remedy=remedy)
            if not isinstance(metric, dict) or "value" not in metric:
                remedy = 'write a metric as {"value": number or null, "low": ..., "high": ..., "n": ...}'
                raise InputError(file=path, field=f"metrics.{name}", value=metric, remedy=remedy)
            for bound in BOUNDS:
                if metric.get(bound) is not None and not _is_number(metric[bound]):
                    field = f"metrics.{name}.{bound}"
                    raise InputError(
                        file=path, field=field, value=metric[bound], remedy="write a finite number or null"
                    )
            metrics[name], files[name] = metric, str(path)
    return metrics, files


class Criterion(NamedTuple):
    """What is asked of one bound of one metric, and what happens when it is not met."""

    metric: str
    bound: str
    comparison: str
    threshold: float
    otherwise: str

    def is_met(self, measured):
        """Whether a number, or each number of an array, is what was asked."""
        return COMPARISONS[self.comparison][0](measured, self.threshold)

    def __str__(self) -> str:
        quantity = self.metric if self.bound == "value" else f"{self.metric}.{self.bound}"
        return f"{quantity} {COMPARISONS[self.comparison][1]} {self.threshold}, otherwise {self.otherwise}"


def _parse_criterion(gate: str, metric: str, criterion: dict) -> Criterion:
    field = f"{gate}.criteria.{metric}"
    if not isinstance(criterion, dict):
        remedy = 'write {"at_least": number, "otherwise": "stop"}, or a list of such'
        raise InputError(field=field, value=criterion, remedy=remedy)
    asked = [name for name in COMPARISONS if criterion.get(name) is not None]
    unknown = sorted(criterion.keys() - {"bound", "otherwise", *COMPARISONS})
    if unknown or len(asked) != 1:
        remedy = f"ask exactly one of {', '.join(COMPARISONS)}, beside bound and otherwise"
        raise InputError(field=field, value=unknown or asked, remedy=remedy)
    bound, otherwise = criterion.get("bound", "value"), criterion.get("otherwise", "stop")
    if bound not in BOUNDS:
        raise InputError(field=f"{field}.bound", value=bound, remedy=f"write one of {', '.join(BOUNDS)}")
    if otherwise not in ("stop", "pause"):
        raise InputError(field=f"{field}.otherwise", value=otherwise, remedy="write stop or pause")
    threshold = criterion[asked[0]]
    if not _is_number(threshold):
        raise InputError(field=f"{field}.{asked[0]}", value=threshold, remedy="write a finite number")
    return Criterion(metric, bound, asked[0], threshold, otherwise)


def parse_criteria(gate: str, criteria: dict) -> list[Criterion]:
    """All criteria of a gate, in order. InputError names the wrong part, or that there are none."""
    if not criteria:
        raise InputError(field=f"{gate}.criteria", remedy="ask at least one metric for something")
    return [
        _parse_criterion(gate, name, criterion)
        for name, asked in criteria.items()
        for criterion in (asked if isinstance(asked, list) else [asked])
    ]


def judge_criterion(gate: str, criterion: Criterion, metrics: dict, files: dict[str, str]) -> dict:
    """One criterion judged: decision, metric, bound, value, measured, interval, n, threshold, rule, file.

    InputError when the metric was not measured at all, or has no such bound: the gate would judge nothing.
    """
    name, bound = criterion.metric, criterion.bound
    if name not in metrics:
        remedy = f"no metrics file has it: ask for one of {', '.join(sorted(metrics))}"
        raise InputError(field=f"{gate}.criteria.{name}", remedy=remedy)
    metric = metrics[name]
    if bound not in metric:
        remedy = f"this metric has no {bound} bound in {files[name]}: judge its value"
        raise InputError(field=f"{gate}.criteria.{name}.bound", value=bound, remedy=remedy)
    measured = metric[bound]
    met = measured is not None and criterion.is_met(measured)
    interval = [metric["low"], metric["high"]] if {"low", "high"} <= metric.keys() else None
    note = {"note": metric["note"]} if metric.get("note") else {}
    return {
        **note,
        "decision": "pass" if met else criterion.otherwise,
        "metric": name,
        "bound": bound,
        "measured": measured,
        "value": metric["value"],
        "interval": interval,
        "n": metric.get("n"),
        "threshold": criterion.threshold,
        "rule": str(criterion),
        "file": files[name],
    }


def _relative(path, folder) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def check_override(gate: str, override) -> None:
    """InputError unless the override is null or a reason in words."""
    if override is not None and not (isinstance(override, str) and override.strip()):
        remedy = "give the reason for going on, in words, or null"
        raise InputError(field=f"{gate}.override", value=override, remedy=remedy)


def judge(gate: str, criteria: dict, override: str | None, paths, folder=".") -> dict:
    """The gate file: the worst outcome of all criteria decides, and its first criterion is named at the top.

    An override changes whether the run proceeds, never the decision: what was measured stays on record.
    Files are recorded relative to `folder`, where the gate file goes, so that no machine's folders are on
    record.
    """
    asked = parse_criteria(gate, criteria)
    check_override(gate, override)
    metrics, files = read_metrics(paths)
    files = {name: _relative(path, folder) for name, path in files.items()}
    judged = [judge_criterion(gate, criterion, metrics, files) for criterion in asked]
    deciding = max(judged, key=lambda entry: SEVERITY[entry["decision"]])
    evidence = [{"file": _relative(path, folder), "sha256": sha256_file(path)} for path in paths]
    return {
        "gate": gate,
        **{key: deciding[key] for key in ("decision", "metric", "value", "interval", "threshold", "rule")},
        "evidence": evidence,
        "override": override,
        "proceeds": deciding["decision"] == "pass" or override is not None,
        "criteria": judged,
    }
