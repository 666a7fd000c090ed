"""Programmatic checks: does a response do what its item asks?

A check is a dictionary {"kind": name, ...arguments}, kept as JSON beside the item. `score` looks the kind up
in `CHECKS` and returns a verdict with a reason. A check is fair to surface form (case, spacing, a final
period, quotes, and where a list is asked for also commas or "and" or lines between the words, bullets,
articles) unless the task is about that form, and strict about content: anything beyond what was asked is
wrong. The length of a response is never looked at, unless the task is about length.

Each kind also has generators of right and of wrong texts (`surface_forms`, `corruptions`), so that whatever
is checked, the check itself can be tested on every item: see `core.checks.kinds`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from workflow_scripts.core.checks import (
    answers,
    counts,
    layout,
    lists,
    sequences,
    strings,
    structure,
    wording,
)
from workflow_scripts.core.checks.arguments import WrongCheck, check_arguments
from workflow_scripts.core.checks.kinds import RIGHT, Kind, Texts, Verdict

__all__ = [
    "CHECKS",
    "KINDS",
    "RIGHT",
    "Verdict",
    "WrongCheck",
    "corruptions",
    "kinds_in",
    "score",
    "surface_forms",
    "validate",
]


def check_all_of(response: str, checks: Sequence[dict[str, Any]]) -> Verdict:
    """Every one of several checks; the reason is that of the first that fails."""
    verdicts = (score(check, response) for check in checks)
    return next((verdict for verdict in verdicts if not verdict.success), RIGHT)


def _all_of_forms(reference: str, checks: Sequence[dict[str, Any]]) -> Texts:
    """Forms of each part that all the other parts find right: it is that one part that they test."""
    found = {"as it is": reference}
    for place, check in enumerate(checks):
        others = [*checks[:place], *checks[place + 1 :]]
        for name, text in surface_forms(check, reference).items():
            if check_all_of(text, others).success:
                found[f"{check['kind']}: {name}"] = text
    return found


def _all_of_corruptions(reference: str, checks: Sequence[dict[str, Any]]) -> Texts:
    return {
        f"{check['kind']}: {name}": text
        for check in checks
        for name, text in corruptions(check, reference).items()
    }


KINDS: dict[str, Kind] = {
    **answers.KINDS,
    **sequences.KINDS,
    **lists.KINDS,
    **structure.KINDS,
    **counts.KINDS,
    **wording.KINDS,
    **layout.KINDS,
    **strings.KINDS,
    "all_of": Kind(check_all_of, _all_of_forms, _all_of_corruptions),
}
CHECKS: dict[str, Callable[..., Verdict]] = {name: kind.judge for name, kind in KINDS.items()}


def _arguments(check: dict) -> dict[str, Any]:
    return {name: value for name, value in check.items() if name != "kind"}


def score(check: dict, response: str) -> Verdict:
    """Judge `response` by `check` ({"kind": a key of CHECKS, ...its arguments})."""
    return CHECKS[check["kind"]](response, **_arguments(check))


def surface_forms(check: dict, reference: str) -> Texts:
    """{name: text}: `reference`, a right answer, in other forms that the check must accept."""
    return KINDS[check["kind"]].surface_forms(reference, **_arguments(check))


def corruptions(check: dict, reference: str) -> Texts:
    """{name: text}: texts with one mistake each, by which the check must not be taken in."""
    return KINDS[check["kind"]].corruptions(reference, **_arguments(check))


def kinds_in(check: dict) -> set[str]:
    """The kind of a check and, for all_of, the kinds of its parts."""
    return {check["kind"]}.union(*(kinds_in(part) for part in check.get("checks", ())))


def validate(check: Any, field: str = "check") -> None:
    """WrongCheck names what keeps a check from being evaluated: its kind, or an argument of its judge."""
    if not isinstance(check, dict) or not isinstance(check.get("kind"), str):
        raise WrongCheck(field, check, 'give {"kind": name, ...its arguments}')
    if check["kind"] not in CHECKS:
        raise WrongCheck(f"{field}.kind", check["kind"], f"must be one of {', '.join(CHECKS)}")
    check_arguments(KINDS[check["kind"]].judge, _arguments(check), field)
    for place, part in enumerate(check.get("checks", ()) if check["kind"] == "all_of" else ()):
        validate(part, f"{field}.checks[{place}]")
