"""Hand-written exemplars for few-shot prompts, and each record's own draw of them."""

import random
from collections.abc import Sequence
from pathlib import Path

import yaml

from workflow_scripts.core.errors import InputError


def load_exemplars(path: str | Path) -> list[dict]:
    """Hand-written exemplars: dicts with "instruction" and "response". InputError if one lacks either."""
    exemplars = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    remedy = "give a list of entries with an instruction and a response, both text"
    if not isinstance(exemplars, list) or not exemplars:
        raise InputError(file=path, remedy=remedy)
    for position, exemplar in enumerate(exemplars):
        fields = exemplar if isinstance(exemplar, dict) else {}
        if not all(isinstance(fields.get(name), str) for name in ("instruction", "response")):
            raise InputError(file=path, field=f"entry {position}", value=exemplar, remedy=remedy)
    return exemplars


def draw_exemplars(exemplars: Sequence[dict], shots: int, seed: int) -> list[dict]:
    """`shots` different exemplars in an order of their own, both a function of the seed."""
    if shots > len(exemplars):
        remedy = f"there are {len(exemplars)} exemplars: write more, or ask for fewer shots"
        raise InputError(field="shots", value=shots, remedy=remedy)
    return random.Random(seed).sample(list(exemplars), shots)
