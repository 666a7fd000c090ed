"""People's labels of answers, read from CSV or JSONL, and how far the scorer agrees with them.

A row names an answer, by `record_id` (of its response: tells nobody which arm it is) or by `item_id` and
`arm`, and says in `success` whether it is right. Rows with an empty `success` were not labelled. `minutes`,
if it is there, is how long the label took.
"""

import csv
import io
import json
from math import sqrt
from pathlib import Path

import numpy as np
from scipy.stats import norm

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.agreement import cohens_kappa, confusion, corrected_success
from workflow_scripts.core.evaluation.failures import example, pick
from workflow_scripts.core.evaluation.lifts import metric
from workflow_scripts.core.evaluation.scored_answers import Answers

WORDS = {"true": True, "yes": True, "right": True, "1": True}
WORDS |= {"false": False, "no": False, "wrong": False, "0": False}
UNLABELLED = -1
NO_MINUTES = {"minutes": 0.0, "without_minutes": 0}


def _decoded(path) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            file=path, field="evaluation.labels", remedy=f"cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError as error:
        remedy = "this byte is not UTF-8: save the file as UTF-8"
        raise InputError(file=path, field=f"byte {error.start}", remedy=remedy) from None


def _rows(path) -> list[tuple[str, dict]]:
    """(where it stands, row) of every row; JSONL where the first sign is a brace, else CSV with a header."""
    text = _decoded(path)
    if not text.lstrip().startswith("{"):
        try:
            rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        except csv.Error as error:
            raise InputError(file=path, remedy=f"this is no CSV that can be read: {error}") from None
        return [(f"row {number}", row) for number, row in enumerate(rows, 1)]
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError) as error:
            remedy = f"write one JSON object per line ({error})"
            raise InputError(file=path, field=f"line {number}", remedy=remedy) from None
        found.append((f"line {number}", row))
    return found


def _success(path, place: str, value) -> bool | None:
    """A label as true or false; None where there is none."""
    word = "" if value is None else str(value).strip().lower()
    if word and word not in WORDS:
        remedy = "write true or false (or 1 and 0, yes and no), or leave it empty"
        raise InputError(file=path, field=f"{place}, success", value=word[:60], remedy=remedy)
    return WORDS[word] if word else None


def label_minutes(path) -> dict:
    """The minutes that the labels of a file took together, and how many labels do not say how long.

    InputError names the row whose minutes are no number from 0 on.
    """
    minutes, without = 0.0, 0
    for place, row in _rows(path):
        if _success(path, place, row.get("success")) is None:
            continue
        value = row.get("minutes")
        stated = "" if value is None else str(value).strip()
        try:
            taken = float(stated or 0)
        except ValueError:
            taken = -1.0
        if not 0 <= taken < float("inf"):
            remedy = "write the minutes that the label took, or leave it empty"
            raise InputError(file=path, field=f"{place}, minutes", value=stated[:60], remedy=remedy)
        minutes, without = minutes + taken, without + (stated == "")
    return {"minutes": minutes, "without_minutes": without}


def _named(path, place: str, row: dict, answers: dict) -> tuple[str, int]:
    """The (arm, place) of the answer that a row names."""
    if row.get("record_id"):
        key, field = str(row["record_id"]), "record_id"
    else:
        key, field = (str(row.get("arm")), str(row.get("item_id"))), "arm and item_id"
    if key not in answers:
        remedy = "no scored answer is called so: give the record_id of its response, or item_id and arm"
        raise InputError(file=path, field=f"{place}, {field}", value=key, remedy=remedy)
    return answers[key]


def read_labels(path, arms: dict[str, Answers]) -> dict[str, np.ndarray]:
    """Each arm's labels: 1 right, 0 wrong, -1 not labelled, shape [n], in the order of its answers.

    InputError names the row of an unknown answer, a label that is neither true nor false, or an answer that
    is labelled twice, and a file without any label.
    """
    answers = {}
    for name, arm in arms.items():
        for place, (item, record) in enumerate(zip(arm.item_ids, arm.record_ids, strict=True)):
            answers[name, item] = answers[record] = (name, place)
    labels = {name: np.full(len(arm), UNLABELLED) for name, arm in arms.items()}
    rows = _rows(path)
    if rows and "success" not in rows[0][1]:
        remedy = f"this column is missing (found: {', '.join(map(str, rows[0][1]))})"
        raise InputError(file=path, field="success", remedy=remedy)
    for where, row in rows:
        success = _success(path, where, row.get("success"))
        if success is None:
            continue
        name, place = _named(path, where, row, answers)
        if labels[name][place] != UNLABELLED:
            remedy = "this answer is labelled twice: keep one row per answer"
            raise InputError(
                file=path, field=f"{where}, item_id", value=arms[name].item_ids[place], remedy=remedy
            )
        labels[name][place] = success
    if all((found == UNLABELLED).all() for found in labels.values()):
        raise InputError(file=path, field="success", remedy="no row has a label: fill in this column")
    return labels


def _arm_agreement(
    answers: Answers, labels: np.ndarray, confidence: float, examples: int, instructions: dict[str, str]
) -> dict:
    """One arm's confusion, kappa, success as people would give it, and answers that they judge otherwise."""
    given = labels != UNLABELLED
    counts = confusion(answers.success[given], labels[given] == 1)
    corrected = corrected_success(counts, int(answers.success.sum()), len(answers))
    differing = given & (answers.success != (labels == 1))
    return {
        "confusion": counts,
        "kappa": cohens_kappa(counts, confidence),
        "success_by_people": None if corrected is None else corrected[0],
        "success_variance": None if corrected is None else corrected[1],
        "disagreements": [
            example(answers, place, instructions) for place in pick(answers, differing, examples)
        ],
    }


def audit_labels(
    baseline: Answers,
    candidate: Answers,
    labels: dict[str, np.ndarray],
    confidence: float,
    examples: int,
    instructions: dict[str, str],
) -> tuple[dict, dict]:
    """Metrics of the agreement on the two arms compared, and what they rest on.

    `label_kappa` is over both arms together; `label_lift` the lift as people's labels correct it, its
    variance that of two independent arms, which is wide rather than narrow.
    """
    arms = {
        answers.arm: _arm_agreement(answers, labels[answers.arm], confidence, examples, instructions)
        for answers in (baseline, candidate)
    }
    first, second = arms.values()
    counts = {name: first["confusion"][name] + second["confusion"][name] for name in first["confusion"]}
    known = first["success_by_people"] is not None and second["success_by_people"] is not None
    lift, bounds = None, (None, None)
    if known:
        lift = second["success_by_people"] - first["success_by_people"]
        half = float(norm.isf((1 - confidence) / 2)) * sqrt(
            first["success_variance"] + second["success_variance"]
        )
        bounds = max(-1.0, lift - half), min(1.0, lift + half)
    kappa = cohens_kappa(counts, confidence)
    metrics = {"label_kappa": kappa, "label_lift": metric(lift, bounds, kappa["n"])}
    return metrics, {"confusion": counts, "arms": arms}
