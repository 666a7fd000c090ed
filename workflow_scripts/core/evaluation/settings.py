"""The statistics settings that the evaluation commands share; each takes what it needs.

They come as `{"statistics": {...}}`, or as the inner object alone. Every key has a default.
"""

import json

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.statistics.analysis import Analysis

ANALYSIS = {
    "alpha": (float, 0, 1),
    "fdr": (float, 0, 1),
    "confidence": (float, 0.5, 1),
    "power": (float, 0, 1),
    "bootstrap_samples": (int, 99, 10**7),
    "seed": (int, -1, 2**63),
}
KNOWN = {*ANALYSIS, "primary", "comparisons"}


def _pair(value, field: str) -> tuple[str, str]:
    """A comparison, given as [baseline, candidate] or {"baseline": ..., "candidate": ...}."""
    if isinstance(value, dict) and value.keys() == {"baseline", "candidate"}:
        value = [value["baseline"], value["candidate"]]
    is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)
    if not is_pair or value[0] == value[1]:
        raise InputError(field=field, value=value, remedy="name two different arms, [baseline, candidate]")
    return value[0], value[1]


def read_settings(text: str) -> dict:
    """The inner object, its pairs as tuples. InputError names what is unknown or wrong."""
    try:
        settings = json.loads(text)
        settings = dict(settings.get("statistics", settings))
    except (ValueError, TypeError, AttributeError):
        remedy = 'write a JSON object such as {"statistics": {"alpha": 0.05, "seed": 0}}'
        raise InputError(field="--settings", value=text, remedy=remedy) from None
    for name, value in settings.items():
        field = f"statistics.{name}"
        if name not in KNOWN:
            raise InputError(field=field, remedy=f"unknown: known are {', '.join(sorted(KNOWN))}")
        if name == "primary":
            settings[name] = _pair(value, field)
        elif name == "comparisons":
            if not isinstance(value, list):
                raise InputError(field=field, value=value, remedy="write a list of [baseline, candidate]")
            settings[name] = [_pair(pair, field) for pair in value]
        else:
            kind, low, high = ANALYSIS[name]
            if type(value) is not kind or not low < value < high:
                remedy = f"write a number of type {kind.__name__} above {low} and below {high}"
                raise InputError(field=field, value=value, remedy=remedy)
    return settings


def analysis_of(settings: dict) -> Analysis:
    """How to compare, from settings that were read."""
    return Analysis(**{name: settings[name] for name in ANALYSIS if name in settings})
