"""Scored answers: each arm's scores joined with the responses they were given for."""

import json
from dataclasses import dataclass

import numpy as np

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.one_engine import answering_engine, refuse_other_engine
from workflow_scripts.core.schemas import RESPONSES, SCORES, read_records


@dataclass(frozen=True)
class Answers:
    """One arm's answers, sorted by item id, with the model and the engine that gave them (as in provenance).

    Every array has shape [n]; text is held as Python strings.

    `record_ids` are those of the responses, `length` counts characters of the response, `truncated` says
    that generation hit the token limit, `prompts` are digests of the prompts that were sent.
    """

    arm: str
    model: dict | None
    engine: dict | None
    item_ids: np.ndarray
    record_ids: np.ndarray
    types: np.ndarray
    clusters: np.ndarray
    success: np.ndarray
    reasons: np.ndarray
    responses: np.ndarray
    length: np.ndarray
    truncated: np.ndarray
    prompts: np.ndarray

    def __len__(self) -> int:
        return len(self.item_ids)


def rows_by_item(path, rows: list[dict]) -> dict[str, dict]:
    """Rows by item. InputError when there are none, an item comes twice, or a second arm is in the file."""
    if not rows:
        raise InputError(file=path, remedy="holds no rows: make it again from a test set with items")
    found = {}
    for row in rows:
        if row["item_id"] in found:
            raise InputError(file=path, field="item_id", value=row["item_id"], remedy="keep one row per item")
        if row["arm"] != rows[0]["arm"]:
            raise InputError(file=path, field="arm", value=row["arm"], remedy="write one file per arm")
        found[row["item_id"]] = row
    return found


def answering_model(response: dict) -> dict | None:
    """Which model gave a response, from its provenance; None where that does not say."""
    return json.loads(response["provenance"]).get("model")


def join(scores_path, responses_path) -> Answers:
    """One arm's answers. InputError when the scores were not given to these responses."""
    scores = rows_by_item(scores_path, read_records(scores_path, SCORES))
    responses = rows_by_item(responses_path, read_records(responses_path, RESPONSES))
    if scores.keys() != responses.keys():
        item = min(scores.keys() ^ responses.keys())
        remedy = f"this item is not in both this file and {scores_path}: score the responses again"
        raise InputError(file=responses_path, field="item_id", value=item, remedy=remedy)
    order = sorted(scores)
    for item in order:
        score, response = scores[item], responses[item]
        for name in ("type", "cluster"):
            if not score[name].strip():
                remedy = f"item {item} has none: make the scores again from items that have one"
                raise InputError(file=scores_path, field=name, value=score[name], remedy=remedy)
        if score["arm"] != response["arm"] or score["response_characters"] != len(response["response"]):
            remedy = f"the scores in {scores_path} are not of these responses: score them again"
            raise InputError(file=responses_path, field="item_id", value=item, remedy=remedy)

    def column(rows, name, kind=object):
        return np.array([rows[item][name] for item in order], dtype=kind)

    return Answers(
        arm=scores[order[0]]["arm"],
        model=answering_model(responses[order[0]]),
        engine=answering_engine(responses_path, (row["provenance"] for row in responses.values())),
        item_ids=np.array(order, dtype=object),
        record_ids=column(responses, "record_id"),
        types=column(scores, "type"),
        clusters=column(scores, "cluster"),
        success=column(scores, "success", bool),
        reasons=column(scores, "reason"),
        responses=column(responses, "response"),
        length=column(scores, "response_characters", np.int64),
        truncated=column(responses, "finish_reason") == "length",
        prompts=column(responses, "prompt_sha256"),
    )


def _refuse_other_labels(path, first: Answers, other: Answers) -> None:
    """InputError when two arms call an item's type or cluster differently."""
    for name in ("types", "clusters"):
        differing = np.flatnonzero(getattr(first, name) != getattr(other, name))
        if len(differing):
            item, value = other.item_ids[differing[0]], getattr(other, name)[differing[0]]
            field = f"item {item}, {name.removesuffix('s')}"
            remedy = f"{first.arm} has {getattr(first, name)[differing[0]]!r}: score both with the same items"
            raise InputError(file=path, field=field, value=value, remedy=remedy)


def read_answers(scores_paths, responses_paths) -> dict[str, Answers]:
    """Every arm's answers by name; scores and responses are given in the same order of arms.

    InputError when they do not belong together, or the arms did not answer the identical items with one
    engine.
    """
    if len(scores_paths) != len(responses_paths):
        remedy = "give one responses file for every scores file, in the same order"
        raise InputError(field="--responses", value=len(responses_paths), remedy=remedy)
    arms = {}
    for scores_path, responses_path in zip(scores_paths, responses_paths, strict=True):
        found = join(scores_path, responses_path)
        if found.arm in arms:
            raise InputError(file=scores_path, field="arm", value=found.arm, remedy="give every arm once")
        first = next(iter(arms.values()), found)
        if found.item_ids.tolist() != first.item_ids.tolist():
            remedy = f"its items are not those of {first.arm}: answer the identical items with every arm"
            raise InputError(file=scores_path, field="item_id", remedy=remedy)
        _refuse_other_labels(scores_path, first, found)
        refuse_other_engine(responses_path, found.engine, first.arm, first.engine)
        arms[found.arm] = found
    return arms
