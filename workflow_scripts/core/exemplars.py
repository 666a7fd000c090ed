"""Hand-written exemplars for few-shot prompts, and each record's own draw of them."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml

from workflow_scripts.core.errors import InputError


def load_exemplars(path: str | Path) -> list[dict]:
    """The list under `exemplars:` of a YAML file: dicts with "instruction", "response" and maybe "kind".

    InputError when the list is missing or an entry lacks either of the first two.
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


def _check_shots(exemplars: Sequence[dict], shots: int) -> None:
    if shots > len(exemplars):
        remedy = f"there are {len(exemplars)} exemplars: write more, or ask for fewer shots"
        raise InputError(field="shots", value=shots, remedy=remedy)


def draw_exemplars(exemplars: Sequence[dict], shots: int, seed: int) -> list[dict]:
    """`shots` different exemplars in an order of their own, both a function of the seed."""
    _check_shots(exemplars, shots)
    return random.Random(seed).sample(list(exemplars), shots)


def draw_varied_exemplars(exemplars: Sequence[dict], shots: int, seed: int) -> list[dict]:
    """The same, of as many kinds as there are: no kind comes a second time before every kind came once.

    An exemplar that names no kind is one of its own.
    """
    _check_shots(exemplars, shots)
    rng = random.Random(seed)
    shuffled = rng.sample(list(enumerate(exemplars)), len(exemplars))
    times, ranked = Counter(), []
    for place, exemplar in shuffled:
        kind = exemplar.get("kind", place)
        ranked.append((times[kind], exemplar))
        times[kind] += 1
    drawn = [exemplar for _, exemplar in sorted(ranked, key=lambda entry: entry[0])[:shots]]
    rng.shuffle(drawn)
    return drawn
