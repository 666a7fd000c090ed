"""Checks of one short answer: an accepted one, a number, or an answer somewhere in a free text."""

import re
from collections.abc import Sequence

from workflow_scripts.core.checks import mutations, reading
from workflow_scripts.core.checks.kinds import EMPTY, RIGHT, Kind, Texts, Verdict, wrong

NUMBER = re.compile(r"([-+]?)((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+))(?:\.0+)?")
PLAIN_WORD = re.compile(r"[^\W_]+")
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


# ---- exact


def check_exact(response: str, accepted: Sequence[str]) -> Verdict:
    """The whole response is one of `accepted`."""
    said = reading.words(response)
    if not said:
        return EMPTY
    if any(said == reading.words(answer) for answer in accepted):
        return RIGHT
    if any(set(reading.words(answer)) <= set(said) for answer in accepted):
        return wrong("says more than the answer")
    return wrong("another answer")


def _exact_forms(reference: str, accepted: Sequence[str]) -> Texts:
    others = {f"accepted {number}": answer for number, answer in enumerate(accepted)}
    return mutations.dressed(reference) | {"article": f"the {reference}"} | others


def _exact_corruptions(reference: str, accepted: Sequence[str]) -> Texts:
    other = mutations.stranger(accepted)
    said = reading.words(reference)
    found = mutations.spoiled(reference) | {
        "another answer": other,
        "two answers": f"{reference} or {other}",
        "negated": f"not {reference}",
    }
    shorter = said[:-1]
    if shorter and shorter not in [reading.words(answer) for answer in accepted]:
        found["one word missing"] = " ".join(shorter)
    return found


# ---- number


def spelled(number: int) -> str:
    """A whole number from 0 to 999,999 in English words."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10 - 2] + (f"-{ONES[number % 10]}" if number % 10 else "")
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    rest = f" {spelled(number % size)}" if number % size else ""
    return f"{spelled(number // size)} {name}{rest}"


def check_number(response: str, value: int) -> Verdict:
    """The whole response is this whole number, in digits (with or without thousands commas) or in words."""
    text = reading.bare(response)
    if not text:
        return EMPTY
    found = NUMBER.fullmatch(text.removeprefix("=").strip().replace("−", "-"))
    if found:
        sign, digits = found[1], found[2].replace(",", "").lstrip("0") or "0"
        # As text: a number of a million digits would be slow to parse.
        return RIGHT if ("-" if sign == "-" else "") + digits == str(value) else wrong("another number")
    if (
        0 <= value < 1_000_000
        and reading.words(text.replace("-", " ")) == spelled(value).replace("-", " ").split()
    ):
        return RIGHT
    return wrong("not a number alone")


def _number_forms(reference: str, value: int) -> Texts:
    found = mutations.dressed(reference) | {
        "plain digits": str(value),
        "thousands commas": f"{value:,}",
        "no decimals": f"{value}.0",
        "equals sign": f"= {value}",
    }
    if 0 <= value < 1_000_000:
        found |= {"words": spelled(value), "words without hyphens": spelled(value).replace("-", " ").upper()}
    return found


def _number_corruptions(reference: str, value: int) -> Texts:
    words = {"one more, in words": spelled(value + 1)} if 0 <= value < 999_999 else {}
    return (
        mutations.spoiled(reference)
        | words
        | {
            "one more": str(value + 1),
            "one less": str(value - 1),
            "one digit more": f"{value}0" if value else "10",
            "other sign": str(-value) if value else "-1",
            "a half more": f"{value}.5",
            "two numbers": f"{value} or {value + 1}",
        }
    )


# ---- mentions


def _says(phrase: str, text: str) -> bool:
    """Whether the words of a phrase stand together in a text, both as `_plain` gives them."""
    return f" {phrase} " in f" {text} "


def _plain(text: str) -> str:
    return " ".join(word.casefold() for word in PLAIN_WORD.findall(reading.normal(text)))


def check_mentions(response: str, accepted: Sequence[str], excluded: Sequence[str] = ()) -> Verdict:
    """A free text that says one of `accepted` as a whole phrase, and none of the wrong answers `excluded`.

    It cannot tell an answer from its denial ("it is not Paris").
    """
    text = _plain(response)
    if not text:
        return EMPTY
    if any(_says(_plain(answer), text) for answer in excluded):
        return wrong("a wrong answer")
    if not any(_says(_plain(answer), text) for answer in accepted):
        return wrong("does not say the answer")
    return RIGHT


def _mentions_forms(reference: str, accepted: Sequence[str], excluded: Sequence[str] = ()) -> Texts:
    return mutations.dressed(reference) | {
        "short": accepted[0],
        "with a preamble": f"Let me think about it. {accepted[-1]}, I believe.",
        "long": mutations.lengthened("This takes a moment to explain.") + f" So: {accepted[0]}.",
        "long, answer first": f"{accepted[0]}. " + mutations.lengthened("There is more to say about it."),
        "lines": f"- My reply:\n- {accepted[0]}\n",
    }


def _mentions_corruptions(reference: str, accepted: Sequence[str], excluded: Sequence[str] = ()) -> Texts:
    other = mutations.stranger([*accepted, *excluded])
    found = {"empty": "", "another answer": other, "inside another word": f"{accepted[0]}{other}"}
    if excluded:
        found |= {
            "a wrong answer": excluded[0],
            "right and wrong": f"{accepted[0]}, or {excluded[-1]}.",
        }
    return found


KINDS = {
    "exact": Kind(check_exact, _exact_forms, _exact_corruptions),
    "number": Kind(check_number, _number_forms, _number_corruptions),
    "mentions": Kind(check_mentions, _mentions_forms, _mentions_corruptions),
}
