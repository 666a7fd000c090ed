"""Test items that somebody wrote: one JSON object per line, read as families that hold a fixed set of items.

    {"instruction": "Name a prime number above 10.", "type": "factual", "reference": "11",
     "check": {"kind": "exact", "accepted": ["11", "13", "17", "19"]}}

`type` is free; the splits are stratified by it. `check` is any check of `core.checks`, and `reference` an
answer that it accepts. Optional: `corruption`, a wrong answer (without it the first that `core.checks` makes
is taken), `cluster`, which items that are alike share (without it each item is its own), and `family` (by
default the type). All items are held out.
"""

import json
from pathlib import Path

from workflow_scripts.core import checks
from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_text
from workflow_scripts.core.task_language import Family, Pick

REQUIRED = ("instruction", "type", "check", "reference")
OPTIONAL = ("corruption", "cluster", "family")


def load_families(path: str | Path) -> tuple[Family, ...]:
    """Read a file of items as families, in the order in which types and families first occur.

    InputError names the line, the field, the value and the remedy.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except FileNotFoundError:
        raise InputError(file=path, remedy="this file of items does not exist") from None
    seen: dict[str, int] = {}
    type_of: dict[str, str] = {}
    grouped: dict[str, list[dict]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        item = _read_item(path, number, line)
        first = seen.setdefault(normalise(item["instruction"]), number)
        if first != number:
            remedy = f"line {first} has this instruction too (but for case, spaces and marks): remove one"
            _refuse(path, number, "instruction", item["instruction"], remedy)
        if type_of.setdefault(item["family"], item["type"]) != item["type"]:
            remedy = f"this family has the type {type_of[item['family']]!r} above: give it another name here"
            _refuse(path, number, "family", item["family"], remedy)
        grouped.setdefault(item["family"], []).append(item)
    if not grouped:
        raise InputError(file=path, remedy="this file has no items: give one JSON object per line")
    return tuple(_family(items) for items in grouped.values())


def _refuse(path, number: int, field: str, value, remedy: str):
    raise InputError(file=path, field=f"line {number}: {field}", value=value, remedy=remedy)


def _no_constant(name: str):
    raise ValueError(f"{name} is not JSON")


def _read_item(path, number: int, line: bytes) -> dict:
    """The item of one line with its defaults filled in."""
    try:
        item = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant)
        json.dumps(item, ensure_ascii=False).encode("utf-8")  # a lone surrogate cannot be written again
    except UnicodeDecodeError as error:
        _refuse(path, number, f"byte {error.start}", hex(line[error.start]), "save the file as UTF-8")
    except (ValueError, RecursionError) as error:
        raise InputError(
            file=path, field=f"line {number}", remedy=f"this is no JSON object: {error}"
        ) from None
    if not isinstance(item, dict):
        raise InputError(file=path, field=f"line {number}", remedy="give a JSON object")
    for name in REQUIRED:
        if name not in item:
            _refuse(path, number, name, None, "is missing: add it")
    for name, value in item.items():
        if name not in REQUIRED + OPTIONAL:
            remedy = f"unknown field: remove it; known are {', '.join(REQUIRED + OPTIONAL)}"
            _refuse(path, number, name, value, remedy)
        if name != "check" and (not isinstance(value, str) or not value.strip()):
            _refuse(path, number, name, value, "give a text that is not empty")
    _check(path, number, item)
    family = item.get("family", item["type"])
    cluster = f"{family}/{item.get('cluster', sha256_text(item['instruction'])[:12])}"
    return {**item, "family": family, "cluster": cluster}


def _check(path, number: int, item: dict) -> None:
    """Refuse a check that cannot be evaluated or errs on its own item; make a missing corruption."""
    try:
        checks.validate(item["check"])
        verdict = checks.score(item["check"], item["reference"])
        made = checks.corruptions(item["check"], item["reference"]) if verdict.success else {}
    except checks.WrongCheck as error:
        _refuse(path, number, error.field, error.value, error.remedy)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        _refuse(path, number, "check", item["check"], f"cannot be evaluated on the reference: {error}")
    if not verdict.success:
        remedy = f"its own check rejects it ({verdict.reason}): correct one of the two"
        _refuse(path, number, "reference", item["reference"], remedy)
    if "corruption" not in item:
        item["corruption"] = next((text for text in made.values() if text.strip()), None)
        if item["corruption"] is None:
            _refuse(path, number, "corruption", None, "none can be made for this check: give a wrong answer")
    if checks.score(item["check"], item["corruption"]).success:
        _refuse(path, number, "corruption", item["corruption"], "passes the check: give a wrong answer")


def _family(items: list[dict]) -> Family:
    """A family whose slots are one of its items, and whose only phrasing is the item's instruction."""

    def slots(pick: Pick) -> dict:
        return items[pick(len(items))]

    def phrase(item: dict) -> str:
        return item["instruction"]

    def outcome(item: dict, rng) -> tuple[dict, str, str]:
        return item["check"], item["reference"], item["corruption"]

    def cluster(item: dict, template: int) -> str:
        return item["cluster"]

    first = items[0]
    return Family(first["family"], first["type"], float(len(items)), slots, (phrase,), outcome, cluster)
