"""Reads scored items of any origin, JSONL or Parquet, and lines the arms up item by item.

A file holds one arm: `item_id` (text or integer), `type` (text), `success` (true or false, or the integers
1 and 0) and, if known, `cluster` (text or integer: items from one template), `arm` (text, the same in every
row) and `provenance` (JSON that may name the engine that answered).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.one_engine import answering_engine, refuse_other_engine
from workflow_scripts.core.hashing import canonical_json, sha256_text
from workflow_scripts.core.statistics.analysis import OVERALL

REQUIRED = ("item_id", "type", "success")
OPTIONAL = ("cluster", "arm", "provenance")


@dataclass(frozen=True)
class ScoredArm:
    """One arm's items, sorted by id: ids, types, clusters (or None) and success, all of shape [n].

    `engine`: what answered, where that is known.
    """

    name: str
    file: str
    item_ids: np.ndarray
    types: np.ndarray
    clusters: np.ndarray | None
    success: np.ndarray
    engine: dict | None = None

    def sha256(self) -> str:
        """Digest of what was compared, the same whatever the file's format and order."""
        columns = {
            "item_id": self.item_ids.tolist(),
            "type": self.types.tolist(),
            "cluster": None if self.clusters is None else self.clusters.tolist(),
            "success": self.success.tolist(),
        }
        return sha256_text(canonical_json(columns))


def _read_parquet(path: Path) -> tuple[list[str], list[dict]]:
    try:
        file = pq.ParquetFile(path)
        names = [name for name in (*REQUIRED, *OPTIONAL) if name in file.schema_arrow.names]
        rows = file.read(columns=names).to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(file=path, remedy=f"this is no readable Parquet file: {error}") from None
    return [f"row {number}" for number in range(1, len(rows) + 1)], rows


def _read_jsonl(path: Path) -> tuple[list[str], list[dict]]:
    places, rows = [], []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            row = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            bad = line[error.start : error.start + 1]
            remedy = "this byte is not UTF-8: save the file as UTF-8"
            raise InputError(
                file=path, field=f"{place}, byte {error.start}", value=bad, remedy=remedy
            ) from None
        except (ValueError, RecursionError) as error:
            remedy = f"write one JSON object per line ({error})"
            raise InputError(
                file=path, field=place, value=_shown(line.decode("utf-8")), remedy=remedy
            ) from None
        if not isinstance(row, dict):
            remedy = (
                'write one JSON object per line, such as {"item_id": "a", "type": "list", "success": true}'
            )
            raise InputError(file=path, field=place, value=_shown(row), remedy=remedy)
        places.append(place)
        rows.append(row)
    return places, rows


def _shown(value):
    """The value as an error shows it: long text is cut."""
    return value[:57] + "..." if isinstance(value, str) and len(value) > 60 else value


def _text(value) -> str | None:
    """An identifier as text; None when it is no identifier (null, empty, a float, true or false, ...)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        return None
    # A lone surrogate, which JSON can spell, cannot be written again.
    return value if value.encode("utf-8", "ignore").decode("utf-8") == value else None


def _type(value) -> str | None:
    """A task type; None also for the name that stands for all types together."""
    return None if value == OVERALL else _text(value)


def _column(path, places, rows, name: str, parse, remedy: str) -> list:
    parsed = []
    for place, row in zip(places, rows, strict=True):
        value = parse(row.get(name))
        if value is None:
            found = "nothing" if row.get(name) is None else _shown(row[name])
            raise InputError(file=path, field=f"{place}, {name}", value=found, remedy=remedy)
        parsed.append(value)
    return parsed


def _objects(values: list[str]) -> np.ndarray:
    """An array of Python's own strings: NumPy's fixed width costs the longest for every row."""
    return np.array(values, dtype=object)


def _success(value) -> bool | None:
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def _refuse_missing_columns(path, rows: list[dict]) -> None:
    present = {name for row in rows for name in row}
    missing = [name for name in REQUIRED if name not in present]
    if missing:
        found = ", ".join(sorted(present)[:12])
        remedy = f"this column is missing: every row needs {', '.join(REQUIRED)} (found: {found})"
        raise InputError(file=path, field=missing[0], remedy=remedy)


def _refuse_duplicates(path, places, item_ids: list[str]) -> None:
    first = {}
    for place, item_id in zip(places, item_ids, strict=True):
        if item_id in first:
            remedy = f"this item is already in {first[item_id]}: keep one row per item and one arm per file"
            raise InputError(file=path, field=f"{place}, item_id", value=_shown(item_id), remedy=remedy)
        first[item_id] = place


def _arm_name(path: Path, places, rows) -> str:
    """The `arm` column's one value; without it the file's name, or its folder's for `scores.parquet`."""
    if not any(row.get("arm") is not None for row in rows):
        return path.parent.name if path.stem == "scores" and path.parent.name else path.stem
    names = _column(path, places, rows, "arm", _text, "name the arm in every row, or in none")
    for place, name in zip(places, names, strict=True):
        if name != names[0]:
            remedy = f"the rows before are of arm {names[0]!r}: write one file per arm"
            raise InputError(file=path, field=f"{place}, arm", value=_shown(name), remedy=remedy)
    return names[0]


def read_scored_arm(path) -> ScoredArm:
    """Reads one file. InputError names the file, the line or row and column, the value, and what to do."""
    path = Path(path)
    try:
        with path.open("rb") as handle:
            is_parquet = handle.read(4) == b"PAR1"
    except OSError as error:
        raise InputError(
            file=path, remedy=f"cannot be read ({error.strerror}): give a file of scored items"
        ) from None
    places, rows = _read_parquet(path) if is_parquet else _read_jsonl(path)
    if not rows:
        raise InputError(file=path, remedy="holds no items: give a file with one scored item per row")
    _refuse_missing_columns(path, rows)
    item_ids = _column(path, places, rows, "item_id", _text, "give every item an id: text or an integer")
    _refuse_duplicates(path, places, item_ids)
    types = _column(path, places, rows, "type", _type, f"give every item a type, any text but {OVERALL}")
    success = _column(
        path, places, rows, "success", _success, "write true or false (or the integers 1 and 0)"
    )
    clusters = None
    if any(row.get("cluster") is not None for row in rows):
        remedy = "give every item a cluster (text or an integer), or none"
        clusters = _column(path, places, rows, "cluster", _text, remedy)
    order = np.argsort(_objects(item_ids), kind="stable")
    return ScoredArm(
        name=_arm_name(path, places, rows),
        file=str(path),
        item_ids=_objects(item_ids)[order],
        types=_objects(types)[order],
        clusters=None if clusters is None else _objects(clusters)[order],
        success=np.array(success, dtype=bool)[order],
        engine=answering_engine(path, (row.get("provenance") for row in rows)),
    )


def _refuse_other_items(first: ScoredArm, arm: ScoredArm) -> None:
    ours, theirs = set(first.item_ids.tolist()), set(arm.item_ids.tolist())
    for missing, where, other in ((ours - theirs, arm, first), (theirs - ours, first, arm)):
        if missing:
            remedy = (
                f"{len(missing)} item(s) of {other.file} are not here, this one among them: "
                "score every arm on the identical items"
            )
            raise InputError(file=where.file, field="item_id", value=_shown(min(missing)), remedy=remedy)


def _refuse_other_labels(first: ScoredArm, arm: ScoredArm, name: str) -> None:
    ours, theirs = getattr(first, name), getattr(arm, name)
    if (ours is None) != (theirs is None):
        without, other = (first, arm) if ours is None else (arm, first)
        remedy = f"this column is missing but {other.file} has it: give it in every file, or in none"
        raise InputError(file=without.file, field=name.removesuffix("s"), remedy=remedy)
    if ours is None:
        return
    differing = np.flatnonzero(ours != theirs)
    if len(differing):
        place = differing[0]
        field = f"item {_shown(str(arm.item_ids[place]))}, {name.removesuffix('s')}"
        remedy = f"{first.file} has {_shown(str(ours[place]))!r} for the same item: make them agree"
        raise InputError(file=arm.file, field=field, value=_shown(str(theirs[place])), remedy=remedy)


def read_scored_arms(paths) -> dict[str, ScoredArm]:
    """Reads several arms over the identical items, by name, in the order given.

    InputError for fewer than two files, two files of one arm, other items, items whose type or cluster
    differs, or answers of different engines.
    """
    arms = {}
    for path in paths:
        arm = read_scored_arm(path)
        if arm.name in arms:
            same = arms[arm.name].file
            remedy = f"{same} is the same arm: give each its own name (column arm, or the file's name)"
            raise InputError(file=arm.file, field="arm", value=arm.name, remedy=remedy)
        arms[arm.name] = arm
    if len(arms) < 2:
        raise InputError(
            field="--scores", value=len(arms), remedy="give the scored files of two arms or more"
        )
    first, *others = arms.values()
    for arm in others:
        _refuse_other_items(first, arm)
        _refuse_other_labels(first, arm, "types")
        _refuse_other_labels(first, arm, "clusters")
        refuse_other_engine(arm.file, arm.engine, first.name, first.engine)
    return arms
