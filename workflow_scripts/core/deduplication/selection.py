"""Which records may be trained on: no duplicates among them, and nothing that held-out data holds too."""

from collections.abc import Sequence
from typing import NamedTuple

from workflow_scripts.core.deduplication import coverage, exact, near, skeletons
from workflow_scripts.core.deduplication.held_out import HeldOutSet
from workflow_scripts.core.deduplication.match import Match
from workflow_scripts.core.progress import counted

WITHIN = "train"  # the name of the training data itself where a held-out set would stand


class Removal(NamedTuple):
    """A record that a method took out, by its position, and what it collided with."""

    position: int
    method: str
    set: str
    matched: str
    similarity: float


def overlaps(
    records: Sequence[dict], held_out: Sequence[HeldOutSet], settings: dict
) -> dict[tuple[str, str], dict[int, Match]]:
    """What each method finds between the records and each held-out set: {(method, set): {position: Match}}.

    records: with `instruction`, compared by every method, and `response`, compared by n-gram coverage.
    settings: the `deduplication` slice of the config. The methods overlap: what is the same is near, too.
    """
    near_parameters = near.NearParameters(**settings["near"])
    coverage_parameters = coverage.CoverageParameters(**settings["coverage"])
    instructions = [record["instruction"] for record in records]
    n = len(records)
    signed = list(counted(near.sign(instructions, near_parameters), n, "texts", "signatures"))
    parts = [(record["instruction"], record["response"]) for record in records]
    found = {}
    for other in held_out:
        references = near.sign(other.texts, near_parameters)
        found["exact", other.name] = exact.matches(instructions, other.texts)
        texts = counted(signed, n, "texts", f"near {other.name}")
        found["near", other.name] = near.matches(texts, references, near_parameters)
        covered = counted(parts, n, "texts", f"covered by {other.name}")
        found["coverage", other.name] = coverage.matches(covered, other.texts, coverage_parameters)
        texts = counted(instructions, n, "texts", f"skeletons of {other.name}")
        found["skeleton", other.name] = skeletons.matches(texts, other.texts, other.clusters)
    return found


def repeats(instructions: Sequence[str], settings: dict) -> dict[str, dict[int, Match]]:
    """{method: {position: the earlier instruction that it repeats}}; what is equal is not near, too."""
    parameters = near.NearParameters(**settings["near"])
    same = exact.repeats(instructions)
    rest = [position for position in range(len(instructions)) if position not in same]
    signed = near.sign([instructions[position] for position in rest], parameters)
    alike = near.repeats(counted(signed, len(rest), "texts", "near each other"), parameters)
    return {"exact": same, "near": _at(rest, alike)}


def _at(positions: Sequence[int], found: dict[int, Match]) -> dict[int, Match]:
    """Matches within a part of a list, as positions in the whole list."""
    return {
        positions[own]: match._replace(position=positions[match.position]) for own, match in found.items()
    }


def select(
    records: Sequence[dict], held_out: Sequence[HeldOutSet], settings: dict
) -> tuple[list[int], list[Removal]]:
    """Positions of the records to keep, in order, and why the others went.

    First what held-out data holds goes, by every method that finds it (by skeleton only where the settings
    say so); then all but the first of equal and of near equal instructions; then what a skeleton has too
    many of. A record of the rest never goes because of one that went before it.
    """
    names = [record["record_id"] for record in records]
    removals = []
    for (method, name), found in overlaps(records, held_out, settings).items():
        if method != "skeleton" or settings["skeletons"]["heldout"] == "remove":
            ids = next(other.ids for other in held_out if other.name == name)
            removals += _removals(method, name, found, ids)
    kept = _without(range(len(records)), removals)

    for method, found in repeats([records[position]["instruction"] for position in kept], settings).items():
        removals += _removals(method, WITHIN, _at(kept, found), names)
    kept = _without(kept, removals)

    at_most = settings["skeletons"]["at_most_per_skeleton"]
    found = skeletons.excess([records[position]["instruction"] for position in kept], at_most)
    removals += _removals("skeleton", WITHIN, _at(kept, found), names)
    return _without(kept, removals), removals


def _removals(method: str, name: str, found: dict[int, Match], ids: Sequence[str]) -> list[Removal]:
    return [
        Removal(position, method, name, ids[match.position], match.similarity)
        for position, match in found.items()
    ]


def _without(positions: Sequence[int], removals: Sequence[Removal]) -> list[int]:
    gone = {removal.position for removal in removals}
    return [position for position in positions if position not in gone]
