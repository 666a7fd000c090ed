"""What instructions of one template have in common, once what fills the template's slots is taken out.

Of a single text the slots can only be guessed from its form: `skeleton`. Where it is known which texts come
from one template (the clusters of the test items), what they share is the template: `frame_of`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.deduplication.match import Match

SLOT = "_"
# A skeleton or a frame of fewer words than this is no template: "name _" fits half of all instructions.
LEAST_WORDS = 3

NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_QUOTED = re.compile(
    r"\"[^\"]*\"|“[^“”]*”|‘[^‘’]*’|(?<!\w)'[^']*'(?!\w)|`[^`]*`|\[[^\[\]]*\]|<<[^<>]*>>",
)
_AFTER_COLON = re.compile(r"(?<=:) .+")
_NUMBER = re.compile(rf"\b(?:\d+(?:[.,]\d+)*|{'|'.join(NUMBERS)})\b")
_ITEM = r"[\w'-]+"
_ITEMS = re.compile(rf"{_ITEM}((?:, {_ITEM})*)((?:,? (?:and|or) {_ITEM})?)")
_SLOTS = re.compile(rf"{SLOT}(?:[ ,]+(?:(?:and|or) )?{SLOT})+")


def _enumeration(found: re.Match) -> str:
    """A slot for three items or more, or two joined by a word; a single word or "here, there" as it is."""
    commas, joined = found.groups()
    return SLOT if joined or commas.count(",") > 1 else found[0]


def skeleton(text: str) -> str:
    """The normalised text with a `_` for each part that looks like the filling of a template's slot.

    Such parts are what is quoted or in brackets, what follows a colon, numbers in digits or words, and
    enumerations of single words. "Sort from low to high: six, two." becomes "sort from low to high: _",
    "Give the opposites of hot and wet." becomes "give the opposites of _". Takes time linear in the text.
    """
    found = _AFTER_COLON.sub(f" {SLOT}", _QUOTED.sub(SLOT, normalise(text)))
    return _SLOTS.sub(SLOT, _ITEMS.sub(_enumeration, _NUMBER.sub(SLOT, found)))


def _words(text: str) -> list[str]:
    """The words of a normalised text, punctuation aside."""
    return re.findall(r"\w+", normalise(text))


def _common(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """The longest common subsequence of two lists of words, the first of equals."""
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for row in range(len(one) - 1, -1, -1):
        for column in range(len(other) - 1, -1, -1):
            if one[row] == other[column]:
                lengths[row][column] = lengths[row + 1][column + 1] + 1
            else:
                lengths[row][column] = max(lengths[row + 1][column], lengths[row][column + 1])
    found, row, column = [], 0, 0
    while row < len(one) and column < len(other):
        if one[row] == other[column]:
            found.append(one[row])
            row, column = row + 1, column + 1
        elif lengths[row + 1][column] >= lengths[row][column + 1]:
            row += 1
        else:
            column += 1
    return found


@dataclass(frozen=True)
class Frame:
    """The words that all instructions of a cluster share, in order, and what stands between them.

    `gaps` holds the fewest and the most words before each shared word and after the last:
    len(gaps) == len(words) + 1.
    """

    words: tuple[str, ...]
    gaps: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        """The frame as text, with a `_` where instructions may differ."""
        parts = [SLOT if most else "" for _, most in self.gaps]
        mixed = [parts[0], *(part for pair in zip(self.words, parts[1:], strict=True) for part in pair)]
        return " ".join(part for part in mixed if part)

    def fits(self, words: Sequence[str]) -> bool:
        """Whether a list of words has this frame, with no gap shorter or longer than in the cluster."""
        ends = {0}  # where the words that are accounted for may end
        for word, (least, most) in zip(self.words, self.gaps, strict=False):
            places = {end + gap for end in ends for gap in range(least, most + 1)}
            ends = {place + 1 for place in places if place < len(words) and words[place] == word}
        least, most = self.gaps[-1]
        return any(least <= len(words) - end <= most for end in ends)


def _gap_lengths(words: Sequence[str], shared: Sequence[str]) -> list[int]:
    """Words before each shared word, at its first place after the one before, and after the last."""
    lengths, start = [], 0
    for word in shared:
        place = words.index(word, start)
        lengths.append(place - start)
        start = place + 1
    return [*lengths, len(words) - start]


def frame_of(instructions: Iterable[str]) -> Frame:
    """The frame of one cluster: a longest common subsequence of words, folded over its instructions.

    Every instruction of the cluster has the frame; of a single instruction it is all its words.
    """
    cluster = [_words(instruction) for instruction in instructions]
    shared = cluster[0]
    for words in cluster[1:]:
        shared = _common(shared, words)
    lengths = zip(*(_gap_lengths(words, shared) for words in cluster), strict=True)
    return Frame(tuple(shared), tuple((min(gap), max(gap)) for gap in lengths))


class SkeletonIndex:
    """The skeletons of reference texts and the frames of their clusters."""

    def __init__(self, references: Sequence[str], clusters: Sequence[str] | None = None):
        self._skeletons, members = {}, defaultdict(list)
        for position, reference in enumerate(references):
            found = skeleton(reference)
            if len(found.replace(SLOT, " ").split()) >= LEAST_WORDS:
                self._skeletons.setdefault(found, position)
            if clusters is not None:
                members[clusters[position]].append(position)
        self.frames = {
            cluster: frame_of(references[position] for position in positions)
            for cluster, positions in members.items()
        }
        self._templates = [
            (self.frames[cluster], positions[0])
            for cluster, positions in members.items()
            if len(self.frames[cluster].words) >= LEAST_WORDS
        ]

    def match(self, text: str) -> Match | None:
        """The first reference with the skeleton of the text, or in a cluster whose frame the text has."""
        position = self._skeletons.get(skeleton(text))
        if position is not None:
            return Match(position, 1.0)
        words = _words(text)
        return next((Match(first, 1.0) for frame, first in self._templates if frame.fits(words)), None)


def matches(
    texts: Iterable[str], references: Sequence[str], clusters: Sequence[str] | None
) -> dict[int, Match]:
    """{position of a text: a reference of the same skeleton or frame}; `clusters` names each reference's."""
    index = SkeletonIndex(references, clusters)
    found = map(index.match, texts)
    return {position: match for position, match in enumerate(found) if match is not None}


def excess(texts: Sequence[str], at_most: int | None) -> dict[int, Match]:
    """{position of a text: the first of its skeleton}, for texts beyond the first `at_most` of a skeleton."""
    members = defaultdict(list)
    for position, text in enumerate(texts):
        members[skeleton(text)].append(position)
    groups = members.values() if at_most else ()
    return {position: Match(group[0], 1.0) for group in groups for position in group[at_most:]}
