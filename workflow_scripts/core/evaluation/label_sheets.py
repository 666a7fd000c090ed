"""Sheets for people to label answers: blind for the arm, drawn by outcome, in an order that tells nothing."""

import csv

import numpy as np

from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.hashing import sha256_text

COLUMNS = ("record_id", "type", "instruction", "response", "success", "minutes")
MOST_CHARACTERS = 20_000


def spread(places: list[int], count: int) -> list[int]:
    """At most `count` of the places, evenly spaced: what they are sorted by is kept in proportion."""
    count = min(count, len(places))
    return [places[int((number + 0.5) * len(places) / count)] for number in range(count)]


def chosen_places(answers: Answers, count: int) -> list[int]:
    """Places of at most `count` answers of one arm: half successes, half failures, types in proportion.

    Where one outcome is rarer than that, the other fills up. Within a type the smallest SHA-256 of the record
    ids decide, as good as at random.
    """
    by_outcome = {}
    for outcome in (True, False):
        places = np.flatnonzero(answers.success == outcome).tolist()
        places.sort(key=lambda place: (answers.types[place], sha256_text(answers.record_ids[place])))
        by_outcome[outcome] = places
    failures = min(len(by_outcome[False]), max(count // 2, count - len(by_outcome[True])))
    return spread(by_outcome[True], count - failures) + spread(by_outcome[False], failures)


def sheet_rows(arms: dict[str, Answers], instructions: dict[str, str], rows: int) -> list[dict]:
    """At most `rows` answers, as many from each arm, by their record ids.

    `success` and `minutes` are left to be filled in.
    Nothing in a row tells the arm or the outcome, and rows are in the order of a hash.
    """
    found = []
    for answers in arms.values():
        for place in chosen_places(answers, rows // len(arms)):
            response = answers.responses[place]
            if len(response) > MOST_CHARACTERS:
                response = f"{response[:MOST_CHARACTERS]} ... ({len(response)} characters in all)"
            found.append(
                {
                    "record_id": answers.record_ids[place],
                    "type": answers.types[place],
                    "instruction": instructions[answers.item_ids[place]],
                    "response": response,
                    "success": "",
                    "minutes": "",
                }
            )
    return sorted(found, key=lambda row: sha256_text(row["record_id"]))


def write_sheet(path, rows: list[dict]) -> None:
    """Writes rows as CSV with a byte-order mark, so that spreadsheets read it as UTF-8."""
    with open(path, "w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
