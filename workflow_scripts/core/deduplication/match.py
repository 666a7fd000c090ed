"""What one text was found to share with another."""

from typing import NamedTuple


class Match(NamedTuple):
    """The position of the other text in its list, and how alike the two are (1 is the most)."""

    position: int
    similarity: float
