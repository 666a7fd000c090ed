"""Instructions that are the same but for case, spacing, character forms, and punctuation at the edges."""

import unicodedata
from collections.abc import Iterable

from workflow_scripts.core import hashing


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
