"""Checks of how many words, sentences, paragraphs or lines a text has."""

from collections.abc import Callable

from workflow_scripts.core.checks import mutations, reading
from workflow_scripts.core.checks.kinds import EMPTY, RIGHT, Kind, Texts, Verdict, wrong


def _count_check(read: Callable[[str], list[str]], unit: str) -> Callable[..., Verdict]:
    def check(response: str, at_least: int, at_most: int | None = None) -> Verdict:
        found = len(read(response))
        if not found:
            return EMPTY
        if found < at_least:
            return wrong(f"too few {unit}")
        return RIGHT if at_most is None or found <= at_most else wrong(f"too many {unit}")

    check.__doc__ = f"A text of `at_least` to `at_most` {unit}, or of any number from `at_least` on."
    return check


def _count_forms(
    read: Callable[[str], list[str]], joiner: str, other: str, stretch: Callable[[str], str]
) -> Callable[..., Texts]:
    def surface_forms(reference: str, at_least: int, at_most: int | None = None) -> Texts:
        units = read(reference)
        found = mutations.framed(reference) | {
            "joined anew": joiner.join(units),
            "other space": other.join(units),
            "capitals": reference.upper(),
            "shortest": joiner.join((units * at_least)[:at_least]),
            "one of them long": joiner.join([stretch(units[0]), *(units * at_least)[1:at_least]]),
        }
        longest = (units * at_most)[:at_most] if at_most else [mutations.lengthened(reference, joiner)]
        return found | {"longest": joiner.join(longest)}

    return surface_forms


def _count_corruptions(read: Callable[[str], list[str]], joiner: str) -> Callable[..., Texts]:
    def corruptions(reference: str, at_least: int, at_most: int | None = None) -> Texts:
        units = read(reference)
        found = {"empty": "", "marks alone": "..."}
        if at_least > 0:
            found["one missing"] = joiner.join((units * at_least)[: at_least - 1])
        if at_most is not None:
            found["one too many"] = joiner.join((units * (at_most + 1))[: at_most + 1])
            found["far too many"] = joiner.join(units * (at_most + 1))
        return found

    return corruptions


def _longer_word(word: str) -> str:
    return word + "a" * mutations.LONG


def _longer_part(part: str) -> str:
    return f"{mutations.lengthened('and once again,')} {part}"


def _kind(
    read: Callable[[str], list[str]],
    unit: str,
    joiner: str,
    other: str,
    stretch: Callable[[str], str] = _longer_part,
) -> Kind:
    """A kind that counts what `read` finds.

    Units are joined by `joiner`, or as well by `other`; `stretch` makes a unit long and leaves it one unit.
    """
    return Kind(
        _count_check(read, unit),
        _count_forms(read, joiner, other, stretch),
        _count_corruptions(read, joiner),
    )


def _filled_lines(text: str) -> list[str]:
    return [line for line in reading.lines(text) if reading.WORD.search(line)]


def _filled_paragraphs(text: str) -> list[str]:
    return [part for part in reading.paragraphs(text) if reading.WORD.search(part)]


def _closed_sentences(text: str) -> list[str]:
    """The sentences of a text, each with a mark at its end, so that they can be joined anew."""
    return [part if part.rstrip("\"'”’)*_")[-1:] in ".!?" else f"{part}." for part in reading.sentences(text)]


KINDS = {
    "word_count": _kind(reading.spaced_words, "words", " ", "\n", _longer_word),
    "sentence_count": _kind(_closed_sentences, "sentences", " ", "\n\n"),
    "paragraph_count": _kind(_filled_paragraphs, "paragraphs", "\n\n", "\n \n\n"),
    "line_count": _kind(_filled_lines, "lines", "\n", "\n\n"),
}
