"""Edits that people made to generated records: a JSONL file in, records that carry their mark for ever out.

One object per line: `record_id`; `action`, one of `drop`, `replace_instruction` and `replace_response`;
`replacement`, the text, where the action replaces something; `minutes`, optional, that it took. A record may
have one line of each kind of replacement, or one that drops it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.core import cleaning, hashing
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.quality import INSTRUCTION_REASONS

DROP = "drop"
REPLACED = {"replace_instruction": "instruction", "replace_response": "response"}  # action -> column
ACTIONS = (DROP, *REPLACED)
FIELDS = ("record_id", "action", "replacement", "minutes")
DROPPED = "dropped_by_editor"  # the rejected_reason of a dropped record


@dataclass(frozen=True)
class Edit:
    """One line of the file."""

    line: int
    record_id: str
    action: str
    replacement: str | None
    minutes: float | None


def _refuse(path, line: int, field: str, value, remedy: str):
    raise InputError(file=path, field=f"line {line}, {field}", value=value, remedy=remedy)


def _parsed(path, number: int, text: str) -> dict:
    """A line as an object with known fields."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(file=path, field=f"line {number}", remedy=f"this is no JSON: {error}") from None
    if not isinstance(row, dict):
        raise InputError(file=path, field=f"line {number}", remedy="write one JSON object per line")
    unknown = sorted(row.keys() - set(FIELDS))
    if unknown:
        _refuse(path, number, unknown[0], None, f"unknown field; known are {', '.join(FIELDS)}")
    return row


def _replacement(path, number: int, action: str, text) -> str | None:
    """The text that an action puts in place, checked as a generated one is."""
    if action == DROP:
        if text is not None:
            _refuse(
                path, number, "replacement", text, "an edit that drops a record replaces nothing: remove it"
            )
        return None
    if not isinstance(text, str):
        _refuse(path, number, "replacement", text, f"give the text that {action} puts in place")
    if action == "replace_instruction":
        if cleaning.clean_instruction(text) != text:
            remedy = "give one line of two words or more, without a number, delimiters or double spaces"
            _refuse(path, number, "replacement", text, remedy)
        return text
    found = cleaning.problems("asked", cleaning.clean_response(text), "edited")
    if found or cleaning.clean_response(text) != text:
        problem = found[0] if found else "white space around it"
        _refuse(path, number, "replacement", text, f"a response that can be trained on has no {problem}")
    return text


def _edit(path, number: int, row: dict) -> Edit:
    name, action, minutes = row.get("record_id"), row.get("action"), row.get("minutes")
    if not isinstance(name, str) or not name:
        _refuse(path, number, "record_id", name, "give the record_id of a generated record")
    if action not in ACTIONS:
        _refuse(path, number, "action", action, f"the actions are {', '.join(ACTIONS)}")
    is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if minutes is not None and not (is_number and 0 <= minutes < float("inf")):
        _refuse(path, number, "minutes", minutes, "give the minutes that it took, 0 or more, or leave it out")
    return Edit(number, name, action, _replacement(path, number, action, row.get("replacement")), minutes)


def read_edits(path) -> list[Edit]:
    """The edits of a file, in its order; empty lines are skipped.

    InputError names the line, the field and the value of what is wrong: no JSON, unknown fields and actions,
    a replacement that no generated record could have, one record with two edits that exclude each other.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InputError(file=path, remedy=f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(file=path, field=f"byte {error.start}", remedy="save the file as UTF-8") from None
    edits, seen = [], {}
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        edit = _edit(path, number, _parsed(path, number, text))
        for earlier in seen.setdefault(edit.record_id, []):
            if DROP in (edit.action, earlier.action) or edit.action == earlier.action:
                remedy = f"line {earlier.line} has {earlier.action} for this record: keep one of the two"
                _refuse(path, number, "action", edit.action, remedy)
        seen[edit.record_id].append(edit)
        edits.append(edit)
    return edits


def _mark(record: dict, edits: Sequence[Edit]) -> str:
    """The record's provenance with what was done to it, and what it was called before."""
    actions = [edit.action for edit in edits]
    mark = {"record_id": record["record_id"], "actions": actions, "minutes": minutes_of(edits)}
    return hashing.canonical_json({**json.loads(record["provenance"]), "edited": mark})


def _edited(record: dict, edits: Sequence[Edit], path) -> dict:
    """A record with its edits. An editor's text stands for the critic's verdict: it is accepted."""
    provenance = _mark(record, edits)
    if edits[0].action == DROP:
        return {**record, "provenance": provenance, "accepted": False, "rejected_reason": DROPPED}
    changes = {REPLACED[edit.action]: edit.replacement for edit in edits}
    instruction = changes.get("instruction", record["instruction"])
    response = changes.get("response", record["response"])
    left = {
        "instruction": record["rejected_reason"] in INSTRUCTION_REASONS,
        "response": bool(cleaning.problems("asked", response, record["finish_reason"])),
    }
    for part in left.keys() - changes.keys():
        if left[part]:
            remedy = (
                f"this record's {part} cannot be trained on ({record['rejected_reason']}): replace it, too"
            )
            _refuse(path, edits[-1].line, "action", edits[-1].action, remedy)
    names = {"edited": record["record_id"], "instruction": instruction, "response": response}
    return {
        **record,
        "record_id": hashing.record_id(**names),
        "provenance": provenance,
        "instruction": instruction,
        "response": response,
        "finish_reason": "edited" if "response" in changes else record["finish_reason"],
        "verdict_margin": None,
        "p_yes": None,
        "accepted": True,
        "rejected_reason": None,
    }


def apply(records: Sequence[dict], edits: Sequence[Edit], path) -> list[dict]:
    """All records (rows of RECORDS), in their order, edited ones with their mark in `provenance.edited`.

    `response_raw` stays what the model wrote. InputError names the line of an edit whose record does not
    exist, or that leaves a record which could not be trained on.
    """
    known = {record["record_id"] for record in records}
    by_record = {}
    for edit in edits:
        if edit.record_id not in known:
            remedy = "no generated record is called so: take the id from results/generation/shard-*.parquet"
            _refuse(path, edit.line, "record_id", edit.record_id, remedy)
        by_record.setdefault(edit.record_id, []).append(edit)
    return [
        _edited(record, by_record[record["record_id"]], path) if record["record_id"] in by_record else record
        for record in records
    ]


def minutes_of(edits: Sequence[Edit]) -> float:
    """The minutes that edits took together, as far as they say so."""
    return float(sum(edit.minutes or 0 for edit in edits))


def edited(record: dict) -> dict | None:
    """What people did to a record or to a training example made of it; None where they did nothing."""
    return json.loads(record["provenance"]).get("edited")


def report(before: Sequence[dict], after: Sequence[dict], edits: Sequence[Edit]) -> dict:
    """Metrics of the edits: how many records of how many, by action, minutes, and what they changed."""
    n = len(before)
    touched = len({edit.record_id for edit in edits})
    counts = {action: sum(edit.action == action for edit in edits) for action in ACTIONS}
    accepted = [sum(record["accepted"] for record in records) for records in (before, after)]
    return {
        "stage": "apply_edits",
        "metrics": {
            "never_edited_rate": {"value": (n - touched) / n if n else 1.0, "n": n},
            "edited_records": {"value": float(touched), "n": n},
            "dropped_records": {"value": float(counts[DROP])},
            "replaced_instructions": {"value": float(counts["replace_instruction"])},
            "replaced_responses": {"value": float(counts["replace_response"])},
            "accepted_before": {"value": float(accepted[0]), "n": n},
            "accepted_after": {"value": float(accepted[1]), "n": n},
            "edit_minutes": {"value": minutes_of(edits)},
            "edits_without_minutes": {"value": float(sum(edit.minutes is None for edit in edits))},
        },
    }
