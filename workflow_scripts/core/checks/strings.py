"""Checks of a text character by character: given strings, number formats, alphabets and patterns."""

import re

from workflow_scripts.core.checks import mutations, reading
from workflow_scripts.core.checks.kinds import EMPTY, RIGHT, Kind, Texts, Verdict, wrong

# ---- verbatim


def check_verbatim(response: str, expected: str, ignore_case: bool = False) -> Verdict:
    """The whole response is `expected`, character by character."""
    text, wanted = reading.bare(response), reading.bare(expected)
    if not text:
        return EMPTY
    if text == wanted or ignore_case and text.casefold() == wanted.casefold():
        return RIGHT
    if text.casefold() == wanted.casefold():
        return wrong("wrong case")
    return wrong("says more than the answer" if wanted in text else "another text")


def _changed(plain: str, texts: Texts) -> Texts:
    """The texts that differ from `plain` by more than case."""
    return {name: text for name, text in texts.items() if text.casefold() != plain.casefold()}


def _verbatim_forms(reference: str, expected: str, ignore_case: bool = False) -> Texts:
    plain = reading.bare(expected)
    found = {
        name: text for name, text in mutations.dressed(plain).items() if "capital" not in name or ignore_case
    }
    return found | {"as it is": reference}


def _verbatim_corruptions(reference: str, expected: str, ignore_case: bool = False) -> Texts:
    plain = reading.bare(expected)
    middle = len(plain) // 2
    other = "x" if plain[middle] != "x" else "y"
    found = mutations.spoiled(plain) | _changed(
        plain,
        {
            "reversed": plain[::-1],
            "one character missing": plain[:middle] + plain[middle + 1 :],
            "one character twice": plain[: middle + 1] + plain[middle:],
            "another character": plain[:middle] + other + plain[middle + 1 :],
            "first two characters swapped": plain[1:2] + plain[:1] + plain[2:],
            "a space in the middle": f"{plain[:middle]} {plain[middle:]}" if middle else "",
        },
    )
    if not ignore_case and plain.swapcase() != plain:
        found["other case"] = plain.swapcase()
    return found


# ---- number format


def check_number_format(response: str, expected: str) -> Verdict:
    """The whole response is this number, date, time or amount in exactly this format."""
    text, wanted = reading.bare(response), reading.bare(expected)
    if not text:
        return EMPTY
    if text == wanted:
        return RIGHT
    same = re.sub(r"[^0-9]", "", text).strip("0") == re.sub(r"[^0-9]", "", wanted).strip("0")
    return wrong("another format" if same else "another number")


def _number_format_forms(reference: str, expected: str) -> Texts:
    found = mutations.dressed(expected)
    return {name: text for name, text in found.items() if "capital" not in name} | {"as it is": reference}


def _number_format_corruptions(reference: str, expected: str) -> Texts:
    plain = reading.bare(expected)
    return mutations.spoiled(plain) | _changed(
        plain,
        {
            "digits alone": re.sub(r"[^0-9]", "", plain),
            "signs and units dropped": re.sub(r"[^0-9.,:]", "", plain),
            "other separators": plain.translate(str.maketrans(",.:-/", ".,./-")),
            "spaces for separators": re.sub(r"[,:/-]", " ", plain),
            "zeros at the beginning dropped": plain.lstrip("0"),
            "zeros at the end dropped": plain.rstrip("0"),
            "one zero more at the beginning": f"0{plain}",
            "one zero more at the end": f"{plain}0",
            "last digit missing": plain[:-1],
            "reversed": plain[::-1],
        },
    )


# ---- characters


def check_characters(response: str, alphabet: str, count: int) -> Verdict:
    """Exactly `count` characters of `alphabet` and nothing else, not even spaces; capitals do not matter."""
    text = reading.bare(response).casefold()
    if not text:
        return EMPTY
    if not set(text) <= set(alphabet.casefold()):
        return wrong("a character of another kind")
    if len(text) != count:
        return wrong("too few characters" if len(text) < count else "too many characters")
    return RIGHT


def _characters_forms(reference: str, alphabet: str, count: int) -> Texts:
    return mutations.dressed(reference) | {
        "first of the alphabet": alphabet[0] * count,
        "last of the alphabet": alphabet[-1] * count,
        "all in turn": (alphabet * count)[:count],
    }


def _characters_corruptions(reference: str, alphabet: str, count: int) -> Texts:
    plain = reading.bare(reference)
    other = next(character for character in "zq7#" if character not in alphabet.casefold())
    return mutations.spoiled(plain) | {
        "one missing": plain[:-1],
        "one too many": plain + alphabet[0],
        "another character": plain[:-1] + other,
        "spaces between": " ".join(plain) if count > 1 else f"{plain} {plain}",
        "a line for each": "\n".join(plain) if count > 1 else f"{plain}\n{plain}",
        "twice": plain * 2,
    }


# ---- mask


def _fits(character: str, place: str) -> bool:
    if place == "A":
        return "A" <= character <= "Z"
    if place == "a":
        return "a" <= character <= "z"
    return "0" <= character <= "9" if place == "9" else character == place


def check_mask(response: str, pattern: str) -> Verdict:
    """A character for each of `pattern`: A for a capital letter, a for a small one, 9 for a digit."""
    text = reading.bare(response)
    if not text:
        return EMPTY
    if len(text) != len(pattern):
        return wrong("too few characters" if len(text) < len(pattern) else "too many characters")
    return RIGHT if all(map(_fits, text, pattern)) else wrong("a character of another kind")


def _mask_forms(reference: str, pattern: str) -> Texts:
    found = mutations.framed(reference) | {
        "first of each kind": pattern.replace("9", "0"),
        "last of each kind": pattern.translate(str.maketrans("Aa", "Zz")),
    }
    return found | {"period": f"{reference}.", "quotes": f'"{reference}"', "code": f"`{reference}`"}


def _mask_corruptions(reference: str, pattern: str) -> Texts:
    filled = pattern.translate(str.maketrans("Aa9", "Mm5"))
    swapped = {
        "digit for a capital": filled.replace("M", "5", 1),
        "small letter for a capital": filled.replace("M", "m", 1),
        "capital for a small letter": filled.replace("m", "M", 1),
        "letter for a digit": filled.replace("5", "M", 1),
        "separators dropped": re.sub(r"[^Mm5]", "", filled),
        "other separators": re.sub(r"[^Mm5]", "+", filled),
        "reversed": filled[::-1] if pattern != pattern[::-1] else "",
    }
    return mutations.spoiled(filled) | {
        **{name: text for name, text in swapped.items() if text != filled},
        "one missing": filled[:-1],
        "one too many": filled + "5",
        "a space in the middle": f"{filled[:1]} {filled[1:]}",
    }


KINDS = {
    "verbatim": Kind(check_verbatim, _verbatim_forms, _verbatim_corruptions),
    "number_format": Kind(check_number_format, _number_format_forms, _number_format_corruptions),
    "characters": Kind(check_characters, _characters_forms, _characters_corruptions),
    "mask": Kind(check_mask, _mask_forms, _mask_corruptions),
}
