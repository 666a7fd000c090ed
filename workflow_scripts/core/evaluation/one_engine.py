"""Whether answers that are compared came from one engine: library, version, precision, device, batch policy.

Precision alone changes answers, so that two engines are a difference between arms that no training made.
"""

import json
from collections.abc import Iterable

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json

BATCHES = "batch_policy"  # what answers that were repeated in other batches may differ in


def _engine(provenance) -> dict | None:
    """The engine that a provenance (JSON) names; None where it is none of this project's."""
    try:
        content = json.loads(provenance)
    except (TypeError, ValueError):
        return None
    return content.get("engine") if isinstance(content, dict) else None


def answering_engine(path, provenances: Iterable) -> dict | None:
    """The engine that a file's rows name; None where none does. InputError where they name several."""
    texts = {provenance for provenance in provenances if isinstance(provenance, str)}
    engines = [engine for engine in map(_engine, sorted(texts)) if engine]
    found = list({canonical_json(engine): engine for engine in engines}.values())
    if len(found) > 1:
        remedy = "its rows were answered by different engines: answer all of its items anew"
        raise InputError(file=path, field=_differing(*found[:2]), remedy=remedy)
    return found[0] if found else None


def _differing(first: dict, other: dict) -> str:
    """The name of the first thing in which two engines differ."""
    return next(
        f"engine.{name}" for name in sorted(first.keys() | other.keys()) if first.get(name) != other.get(name)
    )


def refuse_other_engine(path, engine: dict | None, name: str, first: dict | None, but=()) -> None:
    """InputError when `engine`, which answered what is in a file, is not `first`, which answered `name`.

    `but`: what may differ. Answers of an unknown engine are compared with any.
    """
    if engine is None or first is None:
        return
    one, other = ({key: value for key, value in part.items() if key not in but} for part in (first, engine))
    if one != other:
        field = _differing(one, other)
        key = field.removeprefix("engine.")
        remedy = f"{name} was answered with {one.get(key)!r}: compare what one engine answered"
        raise InputError(file=path, field=field, value=other.get(key), remedy=remedy)
