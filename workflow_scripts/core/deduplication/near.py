"""Near duplicates: texts whose sets of character n-grams have a high Jaccard similarity.

MinHash signatures (Broder 1997) banded for locality-sensitive hashing (Indyk and Motwani 1998; Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, section 3.4) give candidates, and every candidate is
verified by the true Jaccard similarity: what is reported is never a guess, and only pairs without a common
band are missed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rensa import RMinHash, RMinHashLSH

from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.deduplication.match import Match

RECALL = 0.999  # of pairs that lie exactly at the threshold; more alike ones are found more surely
SEED = 1
BATCH = 10_000  # texts whose signatures are held at once


@dataclass(frozen=True)
class NearParameters:
    """Characters per n-gram, MinHash permutations, and the Jaccard similarity from which texts are alike.

    252 has many divisors, so that bands of a fitting size are found.
    """

    characters: int = 5
    permutations: int = 252
    threshold: float = 0.8


def shingles(text: str, characters: int) -> set[str]:
    """The character n-grams of a normalised text; a shorter text is its own only one."""
    return {text[start : start + characters] for start in range(max(1, len(text) - characters + 1))}


def jaccard(one: set, other: set) -> float:
    """|intersection| / |union| of two sets of which at least one is not empty."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def candidate_probability(similarity: float, rows: int, bands: int) -> float:
    """The probability that two texts share at least one of `bands` bands of `rows` MinHash values each."""
    return 1 - (1 - similarity**rows) ** bands


def bands_for(threshold: float, permutations: int, recall: float = RECALL) -> int:
    """The fewest bands, of equal size, that make a pair at the threshold a candidate with at least `recall`.

    Fewer bands hold more rows each, and let through fewer pairs that are not alike.
    """
    sizes = [rows for rows in range(permutations, 0, -1) if permutations % rows == 0]
    probabilities = ((rows, candidate_probability(threshold, rows, permutations // rows)) for rows in sizes)
    return permutations // next((rows for rows, probability in probabilities if probability >= recall), 1)


class Signed(NamedTuple):
    """A normalised text with its MinHash signature."""

    text: str
    signature: RMinHash


def sign(texts: Sequence[str], parameters: NearParameters) -> Iterator[Signed]:
    """Every text, normalised and signed: what the functions below compare."""
    for start in range(0, len(texts), BATCH):
        batch = [normalise(text) for text in texts[start : start + BATCH]]
        grams = [list(shingles(text, parameters.characters)) for text in batch]
        yield from map(Signed, batch, RMinHash.from_token_sets(grams, parameters.permutations, SEED))


class NearIndex:
    """Signed texts that can be searched for near duplicates of another, each known by a position."""

    def __init__(self, parameters: NearParameters):
        self._characters, self._threshold = parameters.characters, parameters.threshold
        self._texts = {}
        bands = bands_for(parameters.threshold, parameters.permutations)
        self._bands = RMinHashLSH(parameters.threshold, parameters.permutations, bands)

    def add(self, position: int, signed: Signed) -> None:
        """Make a text known under a position of its own."""
        self._texts[position] = signed.text
        self._bands.insert(position, signed.signature)

    def candidates(self, signed: Signed) -> list[int]:
        """Positions of the known texts that share a band with a text, in order."""
        return sorted(self._bands.query(signed.signature))

    def near(self, signed: Signed) -> list[Match]:
        """All known texts that reach the threshold, in order of position."""
        candidates = self.candidates(signed)
        own = shingles(signed.text, self._characters) if candidates else set()
        found = (
            Match(position, jaccard(own, shingles(self._texts[position], self._characters)))
            for position in candidates
        )
        return [match for match in found if match.similarity >= self._threshold]

    def nearest(self, signed: Signed) -> Match | None:
        """The most alike of them, the first of equals; None when there is none."""
        return max(self.near(signed), key=lambda match: match.similarity, default=None)


def matches(
    texts: Iterable[Signed], references: Iterable[Signed], parameters: NearParameters
) -> dict[int, Match]:
    """{position of a text: the most alike reference}, for texts with one that reaches the threshold."""
    index = NearIndex(parameters)
    for position, reference in enumerate(references):
        index.add(position, reference)
    found = map(index.nearest, texts)
    return {position: match for position, match in enumerate(found) if match is not None}


def repeats(texts: Iterable[Signed], parameters: NearParameters) -> dict[int, Match]:
    """{position of a text: the earlier text that it is a near duplicate of}.

    A text is compared with the earlier ones that are no near duplicates themselves. So what is left when
    these are removed holds no near duplicate, and one text cannot pull a chain of others after it.
    """
    index, found = NearIndex(parameters), {}
    for position, text in enumerate(texts):
        match = index.nearest(text)
        if match is None:
            index.add(position, text)
        else:
            found[position] = match
    return found


def near_duplicate_rate(texts: Sequence[str], parameters: NearParameters | None = None) -> float:
    """The share of texts that are a near duplicate (or the same) of one before them; 0 of no texts."""
    parameters = parameters or NearParameters()
    return len(repeats(sign(texts, parameters), parameters)) / len(texts) if texts else 0.0
