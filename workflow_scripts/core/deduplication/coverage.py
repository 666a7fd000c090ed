"""Texts that share long runs of words with others, wherever in the text they stand.

Word n-grams, as in the contamination analyses of large corpora (Brown et al. 2020, appendix C, 8 to 13
words), here with a share instead of a single hit, as short instructions of one kind have some runs in common.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.deduplication.match import Match

WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class CoverageParameters:
    """Words per n-gram, and the share of shared n-grams from which a text counts as covered."""

    words: int = 8
    threshold: float = 0.8


def word_grams(text: str, words: int) -> set[str]:
    """The word n-grams of a text, punctuation aside; none when it has fewer than `words` words."""
    found = WORD.findall(normalise(text))
    return {" ".join(found[start : start + words]) for start in range(len(found) - words + 1)}


class CoverageIndex:
    """The n-grams of reference texts, and which texts hold each."""

    def __init__(self, references: Sequence[str], words: int):
        self.words = words
        self._holders = defaultdict(list)
        self._sizes = []
        for position, reference in enumerate(references):
            grams = word_grams(reference, words)
            self._sizes.append(len(grams))
            for gram in grams:
                self._holders[gram].append(position)

    def coverage(self, text: str) -> Match | None:
        """How far a text is covered, and by which reference most; None when they share no n-gram.

        The larger of two shares: of the text's n-grams, how many occur in any reference; and of one
        reference's n-grams, how many the text holds (a short held-out text inside a long one).
        """
        grams = word_grams(text, self.words)
        shared = defaultdict(int)
        covered = 0
        for gram in grams:
            holders = self._holders.get(gram, ())
            covered += bool(holders)
            for position in holders:
                shared[position] += 1
        if not covered:
            return None
        held, position = min((-count / self._sizes[position], position) for position, count in shared.items())
        return Match(position, max(covered / len(grams), -held))


def matches(
    texts: Iterable[Sequence[str]], references: Sequence[str], parameters: CoverageParameters
) -> dict[int, Match]:
    """{position: the reference that covers it most}, where one of a record's texts reaches the threshold.

    `texts` holds, for each record, the texts that are looked at each by itself (instruction and response).
    """
    index = CoverageIndex(references, parameters.words)
    found = {}
    for position, parts in enumerate(texts):
        covered = [match for match in map(index.coverage, parts) if match is not None]
        most = max(covered, key=lambda match: match.similarity, default=None)
        if most is not None and most.similarity >= parameters.threshold:
            found[position] = most
    return found
