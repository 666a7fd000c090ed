"""Checks of which words and letters a free text uses, how it begins and how it ends."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from workflow_scripts.core.checks import mutations, reading
from workflow_scripts.core.checks.kinds import EMPTY, RIGHT, Kind, Texts, Verdict, wrong

# ---- includes and frequencies


def check_includes(response: str, words: Sequence[str], excluded: Sequence[str] = ()) -> Verdict:
    """A text of any length with every word of `words` and none of `excluded`."""
    said = set(reading.prose_words(response))
    if not said:
        return EMPTY
    if any(word.casefold() not in said for word in words):
        return wrong("a word is missing")
    return wrong("an excluded word") if any(word.casefold() in said for word in excluded) else RIGHT


def _includes_forms(reference: str, words: Sequence[str], excluded: Sequence[str] = ()) -> Texts:
    return mutations.framed(reference) | {
        "short": ", ".join(words),
        "capitals": reference.upper(),
        "long": mutations.lengthened(reference),
        "emphasis": " ".join(f"**{word}**" for word in words),
        "quotes": f"“{reference}”",
        "lines": "\n".join(words) + "\n" + reference,
    }


def _includes_corruptions(reference: str, words: Sequence[str], excluded: Sequence[str] = ()) -> Texts:
    other = mutations.stranger([*words, *excluded])
    found = {"empty": "", "one missing": " ".join([*words[:-1], other])}
    found["inside another word"] = " ".join([*words[:-1], f"{words[-1]}{other}"])
    if excluded:
        found["an excluded word"] = f"{reference} {excluded[0]}"
    return found


def check_frequencies(response: str, counts: dict[str, int]) -> Verdict:
    """A text of any length in which each word of `counts` occurs exactly so many times."""
    said = Counter(reading.prose_words(response))
    if not said:
        return EMPTY
    if any(said[word.casefold()] < count for word, count in counts.items()):
        return wrong("a word too seldom")
    if any(said[word.casefold()] > count for word, count in counts.items()):
        return wrong("a word too often")
    return RIGHT


def _frequencies_forms(reference: str, counts: dict[str, int]) -> Texts:
    other = mutations.stranger(counts)
    bare = " ".join(" ".join([word] * count) for word, count in counts.items())
    return mutations.framed(reference) | {
        "capitals": reference.upper(),
        "words alone": bare if bare else other,
        "lines": (bare if bare else other).replace(" ", ".\n"),
        "long": f"{reference} " + mutations.lengthened(other),
        "inside another word too": f"{reference} " + " ".join(f"{word}{other}" for word in counts),
    }


def _frequencies_corruptions(reference: str, counts: dict[str, int]) -> Texts:
    word = max(counts, key=counts.__getitem__)
    found = {"empty": "", "too often": f"{reference} {word}", "far too often": f"{reference} {word}" * 50}
    if counts[word]:
        fewer = counts | {word: counts[word] - 1}
        said = [each for each, count in fewer.items() for _ in range(count)]
        found["too seldom"] = " ".join([mutations.stranger(counts), *said])
    return found


# ---- lipogram


def check_lipogram(response: str, letter: str, at_least: int) -> Verdict:
    """A text of `at_least` words without the letter."""
    said = reading.spaced_words(reading.normal(response))
    if not said:
        return EMPTY
    if letter.casefold() in response.casefold():
        return wrong("an excluded letter")
    return RIGHT if len(said) >= at_least else wrong("too few words")


def _lipogram_forms(reference: str, letter: str, at_least: int) -> Texts:
    said = reading.spaced_words(reference)
    return mutations.framed(reference) | {
        "capitals": reference.upper(),
        "lines": "\n".join(said),
        "long": mutations.lengthened(reference),
        "shortest": " ".join((said * at_least)[:at_least]),
    }


def _lipogram_corruptions(reference: str, letter: str, at_least: int) -> Texts:
    said = reading.spaced_words(reference)
    return {
        "empty": "",
        "the letter once": f"{reference} {letter}",
        "the letter in a word": f"{reference[:-1]}{letter}{reference[-1]}",
        "the letter as a capital": f"{letter.upper()}{reference}",
        "one word missing": " ".join((said * at_least)[: at_least - 1]),
    }


# ---- begins and ends


def _phrase(text: str) -> list[str]:
    return reading.prose_words(text)


def check_begins(response: str, phrase: str) -> Verdict:
    """A text that begins with these words and goes on."""
    said, wanted = _phrase(response), _phrase(phrase)
    if not said:
        return EMPTY
    if said[: len(wanted)] != wanted:
        return wrong("wrong beginning")
    return RIGHT if len(said) > len(wanted) else wrong("nothing but the phrase")


def check_ends(response: str, phrase: str) -> Verdict:
    """A text that ends with these words and has others before them."""
    said, wanted = _phrase(response), _phrase(phrase)
    if not said:
        return EMPTY
    if said[-len(wanted) :] != wanted:
        return wrong("wrong ending")
    return RIGHT if len(said) > len(wanted) else wrong("nothing but the phrase")


def _edge_forms(reference: str) -> Texts:
    return mutations.framed(reference) | {
        "capitals": reference.upper(),
        "quotes": f'"{reference}"',
        "exclamation": f"{reference.rstrip('.')}!",
        "lines": reference.replace(" ", "\n"),
        "no period": reference.rstrip("."),
    }


def _begins_forms(reference: str, phrase: str) -> Texts:
    long = mutations.lengthened(mutations.stranger([phrase]))
    return _edge_forms(reference) | {"long": f"{reference} {long}", "comma after it": f"{phrase}, {long}"}


def _ends_forms(reference: str, phrase: str) -> Texts:
    long = mutations.lengthened(mutations.stranger([phrase]))
    return _edge_forms(reference) | {"long": f"{long}. {reference}", "comma before it": f"{long}, {phrase}."}


def _edge_corruptions(phrase: str) -> tuple[str, Texts]:
    other = mutations.stranger([phrase])
    return other, {
        "empty": "",
        "nothing but the phrase": phrase,
        "other words": f"{other} {other}",
        "phrase in the middle": f"{other} {phrase} {other}",
    }


def _begins_corruptions(reference: str, phrase: str) -> Texts:
    other, found = _edge_corruptions(phrase)
    return found | {
        "preamble": f"{mutations.PREAMBLE} {reference}",
        "phrase at the end": f"{other} {phrase}",
        "last word of it missing": " ".join([*phrase.split()[:-1], other]),
    }


def _ends_corruptions(reference: str, phrase: str) -> Texts:
    other, found = _edge_corruptions(phrase)
    return found | {
        "remark": f"{reference} {mutations.REMARK}",
        "phrase at the beginning": f"{phrase} {other}",
        "first word of it missing": " ".join([other, *phrase.split()[1:], other]),
    }


# ---- letter case


def check_letter_case(response: str, case: Literal["upper", "lower"], at_least: int) -> Verdict:
    """A text of `at_least` words with all its letters in `case`."""
    said = reading.spaced_words(response)
    if not said:
        return EMPTY
    if response != (response.upper() if case == "upper" else response.lower()):
        return wrong("wrong case")
    return RIGHT if len(said) >= at_least else wrong("too few words")


def _letter_case_forms(reference: str, case: str, at_least: int) -> Texts:
    said = reading.spaced_words(reference)
    return mutations.framed(reference) | {
        "shortest": " ".join((said * at_least)[:at_least]),
        "long": mutations.lengthened(reference),
        "lines": "\n".join(said),
        "quotes": f'"{reference}"',
    }


def _letter_case_corruptions(reference: str, case: str, at_least: int) -> Texts:
    said = reading.spaced_words(reference)
    other = str.lower if case == "upper" else str.upper
    mixed = {"other case": other(reference), "one word in the other case": f"{other(said[0])} {reference}"}
    return {name: text for name, text in mixed.items() if text != reference} | {
        "empty": "",
        "one letter in the other case": reference + other("x"),
        "remark": f"{reference} {mutations.REMARK}",
        "one word missing": " ".join((said * at_least)[: at_least - 1]),
    }


KINDS = {
    "includes": Kind(check_includes, _includes_forms, _includes_corruptions),
    "frequencies": Kind(check_frequencies, _frequencies_forms, _frequencies_corruptions),
    "lipogram": Kind(check_lipogram, _lipogram_forms, _lipogram_corruptions),
    "begins": Kind(check_begins, _begins_forms, _begins_corruptions),
    "ends": Kind(check_ends, _ends_forms, _ends_corruptions),
    "letter_case": Kind(check_letter_case, _letter_case_forms, _letter_case_corruptions),
}
