"""Judges metrics against criteria: pass, pause or stop, with what was measured and what was asked.

A metrics file is JSON, `{"stage": ..., "metrics": {name: {"value": x, "low": x, "high": x, "n": k}}, ...}`;
only `value` is needed, and `null` says that it could not be measured, which meets no criterion. A criterion
asks something of one number of one metric, `{"bound": "value" | "low" | "high", "at_least" | "at_most" |
"below" | "above": x, "otherwise": "stop" | "pause"}`. A metric may have a list of criteria: a lift may stop
a run when even its high bound is too low, and pause it when its low bound is.
"""

import json
import operator
import os
from math import isfinite
from pathlib import Path

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


def _parse_criterion(gate: str, metric: str, criterion: dict) -> tuple[str, str, float, str]:
    """Bound, comparison, threshold and what happens otherwise. InputError names the wrong part."""
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
    return bound, asked[0], threshold, otherwise


def judge_criterion(gate: str, name: str, criterion: dict, metrics: dict, files: dict[str, str]) -> dict:
    """One criterion judged: decision, metric, bound, value, measured, interval, n, threshold, rule, file.

    InputError when the metric was not measured at all, or has no such bound: the gate would judge nothing.
    """
    bound, asked, threshold, otherwise = _parse_criterion(gate, name, criterion)
    if name not in metrics:
        remedy = f"no metrics file has it: ask for one of {', '.join(sorted(metrics))}"
        raise InputError(field=f"{gate}.criteria.{name}", remedy=remedy)
    metric = metrics[name]
    if bound not in metric:
        remedy = f"this metric has no {bound} bound in {files[name]}: judge its value"
        raise InputError(field=f"{gate}.criteria.{name}.bound", value=bound, remedy=remedy)
    compare, sign = COMPARISONS[asked]
    measured = metric[bound]
    met = measured is not None and compare(measured, threshold)
    quantity = name if bound == "value" else f"{name}.{bound}"
    interval = [metric["low"], metric["high"]] if {"low", "high"} <= metric.keys() else None
    return {
        "decision": "pass" if met else otherwise,
        "metric": name,
        "bound": bound,
        "measured": measured,
        "value": metric["value"],
        "interval": interval,
        "n": metric.get("n"),
        "threshold": threshold,
        "rule": f"{quantity} {sign} {threshold}, otherwise {otherwise}",
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
    if not criteria:
        raise InputError(field=f"{gate}.criteria", remedy="ask at least one metric for something")
    check_override(gate, override)
    metrics, files = read_metrics(paths)
    files = {name: _relative(path, folder) for name, path in files.items()}
    judged = []
    for name, asked in criteria.items():
        for criterion in asked if isinstance(asked, list) else [asked]:
            judged.append(judge_criterion(gate, name, criterion, metrics, files))
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


def _line(entry: dict, folder) -> str:
    """One criterion in words: what was measured, what was asked, and where to see it."""
    measured = "not measured" if entry["measured"] is None else f"{entry['measured']:.6g}"
    spread = ""
    if entry["interval"] and None not in entry["interval"]:
        spread = f" [{entry['interval'][0]:.6g}, {entry['interval'][1]:.6g}]"
    count = "" if entry["n"] is None else f", n = {entry['n']}"
    value = "" if entry["bound"] == "value" else f" (value {entry['value']})"
    asked = f"asked {entry['rule']}; see {_found(entry['file'], folder)}"
    return f"{entry['decision']:5}  measured {measured}{value}{spread}{count}; {asked}"


def _found(file: str, folder) -> str:
    """The path of a recorded file from where the command runs."""
    return Path(os.path.normpath(Path(folder) / file)).as_posix()


def message(decision: dict, folder=".") -> str:
    """What a person reads in the log: the outcome, every criterion, the evidence, and what to do next."""
    name, outcome = decision["gate"], decision["decision"]
    lines = [
        f"gate {name}: {outcome.upper()}",
        *(f"  {_line(entry, folder)}" for entry in decision["criteria"]),
    ]
    if outcome == "pass":
        return "\n".join(lines)
    if decision["override"] is not None:
        return "\n".join([*lines, f"  OVERRIDDEN, and recorded: {decision['override']}"])
    files = ", ".join(_found(entry["file"], folder) for entry in decision["evidence"])
    severity = (
        "nothing after this gate is worth making" if outcome == "stop" else "a person should look first"
    )
    return "\n".join(
        [
            *lines,
            f"  {severity}. The evidence is kept in {files}.",
            "  What to do: read it, then change what it blames (data, prompts, settings) and run again;",
            f"  or set overrides.{name} in the config to a reason to go on: the report shows it in red.",
        ]
    )
