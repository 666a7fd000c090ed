"""The statistics settings that the evaluation commands share; each takes what it needs.

They come as `{"statistics": {...}}`, or as the inner object alone. Every key has a default.
"""

import json
from math import isfinite

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.statistics.analysis import Adjustment, Analysis
from workflow_scripts.core.statistics.multiplicity import METHODS

ANALYSIS = {
    "alpha": (float, 0, 1),
    "fdr": (float, 0, 1),
    "confidence": (float, 0.5, 1),
    "power": (float, 0, 1),
    "bootstrap_samples": (int, 99, 10**7),
    "seed": (int, -1, 2**63),
}


def _number(value, field: str) -> int | float:
    kind, low, high = ANALYSIS[field.removeprefix("statistics.")]
    if type(value) is not kind or not low < value < high:
        remedy = f"write a number of type {kind.__name__} above {low} and below {high}"
        raise InputError(field=field, value=value, remedy=remedy)
    return value


def _pair(value, field: str) -> tuple[str, str]:
    """A comparison, given as [baseline, candidate] or {"baseline": ..., "candidate": ...}."""
    if isinstance(value, dict) and value.keys() == {"baseline", "candidate"}:
        value = [value["baseline"], value["candidate"]]
    is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)
    if not is_pair or value[0] == value[1]:
        raise InputError(field=field, value=value, remedy="name two different arms, [baseline, candidate]")
    return value[0], value[1]


def _pairs(value, field: str) -> list[tuple[str, str]]:
    if not isinstance(value, list):
        raise InputError(field=field, value=value, remedy="write a list of [baseline, candidate]")
    return [_pair(pair, field) for pair in value]


def _adjustment(value, field: str) -> Adjustment:
    known = Adjustment.__dataclass_fields__
    if not isinstance(value, dict) or not all(value.get(name, "holm") in (*METHODS,) for name in known):
        remedy = f'write {{"arms": METHOD, "types": METHOD}} with METHOD one of {", ".join(METHODS)}'
        raise InputError(field=field, value=value, remedy=remedy)
    if value.keys() - known:
        raise InputError(field=field, value=value, remedy=f"known here are {', '.join(known)}")
    return Adjustment(**value)


def _discordances(value, field: str) -> dict[str, float]:
    """Planned shares of items on which two arms disagree, by the question they are planned for."""
    is_mapping = isinstance(value, dict) and all(
        type(share) in (int, float) and isfinite(share) and 0 < share <= 1 for share in value.values()
    )
    if not is_mapping:
        remedy = 'write shares above 0 and at most 1, such as {"primary": 0.2}'
        raise InputError(field=field, value=value, remedy=remedy)
    return value


PARSERS = {
    **dict.fromkeys(ANALYSIS, _number),
    "adjustment": _adjustment,
    "planned_discordance": _discordances,
    "primary": _pair,
    "comparisons": _pairs,
}


def read_settings(text: str) -> dict:
    """The inner object: pairs as tuples, the adjustment as an Adjustment. InputError names what is wrong."""
    try:
        settings = json.loads(text)
        settings = dict(settings.get("statistics", settings))
    except (ValueError, TypeError, AttributeError):
        remedy = 'write a JSON object such as {"statistics": {"alpha": 0.05, "seed": 0}}'
        raise InputError(field="--settings", value=text, remedy=remedy) from None
    for name, value in settings.items():
        field = f"statistics.{name}"
        if name not in PARSERS:
            raise InputError(field=field, remedy=f"unknown: known are {', '.join(sorted(PARSERS))}")
        settings[name] = PARSERS[name](value, field)
    return settings


def analysis_of(settings: dict) -> Analysis:
    """How to compare, from settings that were read."""
    return Analysis(**{name: settings[name] for name in (*ANALYSIS, "adjustment") if name in settings})
