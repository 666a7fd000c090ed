"""The first place where two files of one kind differ: row and field of records, path in JSON, line of text.

What is computed again on another processor may differ in the last digits of a float: numbers are equal when
they agree to nine digits. (That the bytes are those of the run is what the manifest's digests are for.)
"""

import csv
import json
import math
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pyarrow.parquet as pq

RELATIVE, ABSOLUTE = 1e-9, 1e-12
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
# Who computed, not what was computed: another environment, or other code, may state these otherwise.
MAKER = {"code_digest", "git_commit", "git_dirty", "packages"}
ABSENT = "absent"
Place = tuple[int | None, str, object, object]  # row, field, expected, found


def same_number(first: float, second: float) -> bool:
    """Whether two numbers agree to nine digits; integers, such as seeds and counts, in all."""
    if isinstance(first, int) and isinstance(second, int):
        return first == second
    return first == second or math.isclose(first, second, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def differences(expected, found, field: str = "") -> Iterator[tuple[str, object, object]]:
    """(path, expected, found) of each leaf in which two parsed JSON values differ."""
    if _is_number(expected) and _is_number(found):
        if not same_number(expected, found):
            yield field, expected, found
    elif isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted({*expected, *found}, key=str):
            inner = f"{field}.{name}" if field else str(name)
            yield from differences(expected.get(name, ABSENT), found.get(name, ABSENT), inner)
    elif isinstance(expected, list) and isinstance(found, list):
        for number, (one, other) in enumerate(zip_longest(expected, found, fillvalue=ABSENT)):
            yield from differences(one, other, f"{field}.{number}" if field else str(number))
    elif isinstance(expected, bool) != isinstance(found, bool) or expected != found:
        yield field, expected, found


def _without_maker(value):
    if isinstance(value, dict):
        return {name: _without_maker(part) for name, part in value.items() if name not in MAKER}
    return value


def row_difference(expected: dict, found: dict) -> tuple[str, object, object] | None:
    """(field, expected, found) of the first column in which two records differ; None when there is none."""
    for name in expected if expected.keys() == found.keys() else sorted({*expected, *found}):
        one, other = expected.get(name, ABSENT), found.get(name, ABSENT)
        if name == "provenance" and one != other and ABSENT not in (one, other):
            pair = (_without_maker(json.loads(text)) for text in (one, other))
            one, other = pair
        for field, first, second in differences(one, other, name):
            return field, first, second
    return None


def records(expected: Path, found: Path) -> Place | None:
    """The first row and field in which two record files differ."""
    pairs = zip_longest(*(pq.read_table(path).to_pylist() for path in (expected, found)))
    for number, (one, other) in enumerate(pairs):
        if one is None or other is None:
            return number, "row", ABSENT if one is None else "a row", ABSENT if other is None else "a row"
        difference = row_difference(one, other)
        if difference:
            return number, *difference
    return None


def documents(expected: Path, found: Path) -> Place | None:
    """The first field in which two JSON files differ."""
    pair = (json.loads(path.read_text(encoding="utf-8")) for path in (expected, found))
    return next(((None, *difference) for difference in differences(*pair)), None)


def same_text(expected: str, found: str) -> bool:
    """Whether two texts are equal, the numbers in them taken as numbers."""
    if expected == found:
        return True
    one, other = NUMBER.split(expected), NUMBER.split(found)
    if len(one) != len(other) or one[::2] != other[::2]:
        return False
    return all(same_number(_number(a), _number(b)) for a, b in zip(one[1::2], other[1::2], strict=True))


def _number(text: str) -> int | float:
    return int(text) if text.removeprefix("-").isdigit() else float(text)


def tables(expected: Path, found: Path) -> Place | None:
    """The first row and column in which two CSV files differ."""
    rows = [list(csv.reader(path.read_text(encoding="utf-8").splitlines(True))) for path in (expected, found)]
    names = rows[0][0] if rows[0] else []
    for number, (one, other) in enumerate(zip_longest(*rows, fillvalue=[])):
        for place, (cell, second) in enumerate(zip_longest(one, other, fillvalue=ABSENT)):
            if not same_text(cell, second):
                return number, names[place] if place < len(names) else str(place), cell, second
    return None


def texts(expected: Path, found: Path) -> Place | None:
    """The first line in which two texts differ, from shortly before the first character that does."""
    lines = [path.read_text(encoding="utf-8").splitlines() for path in (expected, found)]
    for number, (one, other) in enumerate(zip_longest(*lines, fillvalue=ABSENT), 1):
        if not same_text(one, other):
            same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
            start = max(0, same - 30)
            return number, "line", one[start : start + 80], other[start : start + 80]
    return None


def first_difference(expected: Path, found: Path) -> Place | None:
    """(row, field, expected, found) of the first difference between two files, or None."""
    if expected.read_bytes() == found.read_bytes():
        return None
    kinds = {".parquet": records, ".json": documents, ".csv": tables}
    return kinds.get(found.suffix, texts)(expected, found)
