"""Hand-written exemplars for few-shot prompts, and each record's own draw of them."""

import random
from collections.abc import Sequence
from pathlib import Path

import yaml

from workflow_scripts.core.errors import InputError


def load_exemplars(path: str | Path) -> list[dict]:
    """The list under `exemplars:` of a YAML file: dicts with "instruction" and "response".

    InputError when the list is missing or an entry lacks either text.
    """
    document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    exemplars = document.get("exemplars") if isinstance(document, dict) else None
    remedy = "give a list of entries, each with an instruction and a response (texts)"
    if not isinstance(exemplars, list) or not exemplars:
        raise InputError(file=path, field="exemplars", remedy=remedy)
    for position, exemplar in enumerate(exemplars):
        fields = exemplar if isinstance(exemplar, dict) else {}
        if not all(isinstance(fields.get(name), str) for name in ("instruction", "response")):
            raise InputError(file=path, field=f"exemplars[{position}]", value=exemplar, remedy=remedy)
    return exemplars


def draw_exemplars(exemplars: Sequence[dict], shots: int, seed: int) -> list[dict]:
    """`shots` different exemplars in an order of their own, both a function of the seed."""
    if shots > len(exemplars):
        remedy = f"there are {len(exemplars)} exemplars: write more, or ask for fewer shots"
        raise InputError(field="shots", value=shots, remedy=remedy)
    return random.Random(seed).sample(list(exemplars), shots)
