"""The constitution: the principles that an answer is judged by."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from workflow_scripts.core.errors import InputError


@dataclass(frozen=True)
class Principle:
    """One question of the constitution, with the weight of its answer.

    `prior`: the margin in nats that it is given whatever is asked and answered (see `critic_prior`).
    """

    id: str
    question: str
    weight: float
    prior: float = 0.0


def load_constitution(path) -> list[Principle]:
    """The principles of a constitution file. InputError when one lacks a field, or no weight is above 0."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(file=path, remedy="this constitution does not exist: create it") from None
    except yaml.YAMLError as error:
        raise InputError(file=path, remedy=f"this is not valid YAML: {error}") from None
    entries = content.get("principles") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(file=path, field="principles", value=entries, remedy="list one principle or more")
    principles = [_principle(path, place, entry) for place, entry in enumerate(entries)]
    ids = [principle.id for principle in principles]
    for name in ids:
        if ids.count(name) > 1:
            raise InputError(file=path, field="principles.id", value=name, remedy="give each its own id")
    if sum(principle.weight for principle in principles) <= 0:
        raise InputError(file=path, field="principles.weight", value=0, remedy="give one a weight above 0")
    return principles


def _principle(path, place: int, entry) -> Principle:
    wanted = {"id": str, "question": str, "weight": (int, float)}
    for field, kind in wanted.items():
        value = entry.get(field) if isinstance(entry, dict) else None
        wrong = isinstance(value, bool) or not isinstance(value, kind)
        if wrong or value == "" or (field == "weight" and value < 0):
            remedy = "give id (text), question (text) and weight (a number of 0 or more)"
            raise InputError(file=path, field=f"principles[{place}].{field}", value=value, remedy=remedy)
    return Principle(entry["id"], entry["question"], float(entry["weight"]))
