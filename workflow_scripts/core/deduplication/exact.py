"""Instructions that are the same but for case, spacing, character forms, and punctuation at the edges."""

import unicodedata
from collections.abc import Iterable, Sequence

from workflow_scripts.core import hashing
from workflow_scripts.core.deduplication.match import Match


def _is_bare(character: str) -> bool:
    """Whether a character is neither punctuation nor a separator."""
    return unicodedata.category(character)[0] not in "PZ"


def normalise(instruction: str) -> str:
    """Text under which two instructions count as the same: NFKC, casefold, single spaces, bare edges.

    Punctuation inside stays ("Which is red: a or b?" keeps its colon). A text of punctuation alone stays
    as it is, so that two different ones are not taken for each other.
    """
    text = " ".join(unicodedata.normalize("NFKC", instruction).casefold().split())
    first = next((place for place, character in enumerate(text) if _is_bare(character)), None)
    if first is None:
        return text
    last = next(place for place in range(len(text) - 1, -1, -1) if _is_bare(text[place]))
    return text[first : last + 1]


def instruction_sha256(instruction: str) -> str:
    """SHA-256 of the normalised instruction."""
    return hashing.sha256_text(normalise(instruction))


def first_positions(instructions: Iterable[str]) -> list[int]:
    """Positions of the first instruction of each normalised text, in the given order."""
    first = {}
    for position, instruction in enumerate(instructions):
        first.setdefault(instruction_sha256(instruction), position)
    return list(first.values())


def matches(texts: Sequence[str], references: Sequence[str]) -> dict[int, Match]:
    """{position of a text: the first reference that is the same once both are normalised}."""
    known = {}
    for position, reference in enumerate(references):
        known.setdefault(normalise(reference), position)
    keys = enumerate(map(normalise, texts))
    return {position: Match(known[key], 1.0) for position, key in keys if key in known}


def repeats(texts: Iterable[str]) -> dict[int, Match]:
    """{position of a text: the first text before it that is the same once both are normalised}."""
    first, found = {}, {}
    for position, text in enumerate(texts):
        earlier = first.setdefault(normalise(text), position)
        if earlier != position:
            found[position] = Match(earlier, 1.0)
    return found
