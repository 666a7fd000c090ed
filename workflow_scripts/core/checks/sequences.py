"""Checks of given words in a given order: as a list, in capitals, in brackets, with a given separator."""

import re
from collections.abc import Sequence
from typing import Literal

from workflow_scripts.core.checks import mutations, reading
from workflow_scripts.core.checks.kinds import EMPTY, RIGHT, Kind, Texts, Verdict, wrong

# ---- sequence


def check_sequence(response: str, words: Sequence[str | Sequence[str]]) -> Verdict:
    """Exactly these words in this order; a position may list several accepted words."""
    said = reading.words(response)
    wanted = [[option.casefold() for option in ([word] if isinstance(word, str) else word)] for word in words]
    if not said:
        return EMPTY
    if len(said) > len(wanted):
        return wrong("too many words")
    if len(said) < len(wanted):
        return wrong("too few words")
    if all(word in options for word, options in zip(said, wanted, strict=True)):
        return RIGHT
    if sorted(said) == sorted(options[0] for options in wanted):
        return wrong("wrong order")
    return wrong("wrong words")


def _sequence_forms(reference: str, words: Sequence[str | Sequence[str]]) -> Texts:
    first = [word if isinstance(word, str) else word[0] for word in words]
    last = [word if isinstance(word, str) else word[-1] for word in words]
    capitals = {"capitals": ", ".join(first).upper(), "other accepted words": ", ".join(last)}
    return mutations.framed(reference) | mutations.listed(first) | capitals


def _wrong_lists(words: Sequence[str], known: Sequence[str] = ()) -> dict[str, list[str]]:
    """Lists that differ from `words` by one mistake."""
    other = mutations.stranger([*words, *known])
    lists = {
        "one word missing": words[:-1],
        "first word missing": words[1:],
        "one word too many": [*words, other],
        "one word twice": [*words, words[-1]],
        "another word": [*words[:-1], other],
        "a longer word": [words[0] + other, *words[1:]],
    }
    return {name: list(changed) for name, changed in lists.items()}


def _disordered(words: Sequence[str]) -> dict[str, list[str]]:
    """The words in another order, where there is one."""
    orders = {"reversed": list(words)[::-1], "rotated": [*words[1:], words[0]]}
    return {name: order for name, order in orders.items() if order != list(words)}


def _sequence_corruptions(reference: str, words: Sequence[str | Sequence[str]]) -> Texts:
    wanted = [[word] if isinstance(word, str) else list(word) for word in words]
    first = [options[0] for options in wanted]
    known = [word for options in wanted for word in options]
    orders = {
        name: order
        for name, order in _disordered(first).items()
        if not all(word in options for word, options in zip(order, wanted, strict=True))
    }
    lists = _wrong_lists(first, known) | orders
    return mutations.spoiled(reference) | {name: ", ".join(changed) for name, changed in lists.items()}


# ---- cased


def check_cased(response: str, words: Sequence[str], case: Literal["upper", "lower"]) -> Verdict:
    """These words in this order, each in `case`: capitals count here."""
    verdict = check_sequence(response, words)
    if not verdict.success:
        return verdict
    change = str.upper if case == "upper" else str.lower
    if any(token != change(token) for token in reading.tokens(response)):
        return wrong("wrong case")
    return RIGHT


def _cased_forms(reference: str, words: Sequence[str], case: str) -> Texts:
    change = str.upper if case == "upper" else str.lower
    return mutations.framed(reference) | mutations.listed([change(word) for word in words])


def _cased_corruptions(reference: str, words: Sequence[str], case: str) -> Texts:
    change, other = (str.upper, str.lower) if case == "upper" else (str.lower, str.upper)
    cased = [change(word) for word in words]
    lists = _wrong_lists(cased) | _disordered(cased)
    lists |= {
        "other case": [other(word) for word in words],
        "last word in the other case": [*cased[:-1], other(words[-1])],
        "one letter in the other case": [change(words[0][:-1]) + other(words[0][-1]), *cased[1:]],
    }
    texts = {name: ", ".join(changed) for name, changed in lists.items() if changed != cased}
    return mutations.spoiled(reference) | texts


# ---- bracketed


def check_bracketed(response: str, words: Sequence[str], marked: Sequence[str]) -> Verdict:
    """These words in this order, those in `marked` each in square brackets of its own, the others in none."""
    text = reading.tidy(response)
    if not text:
        return EMPTY
    verdict = check_sequence(text.replace("[", " ").replace("]", " "), words)
    if not verdict.success:
        return verdict
    inside = [" ".join(reading.words(part)) for part in re.findall(r"\[([^\[\]]*)\]", text)]
    if inside != [word.casefold() for word in words if word in marked]:
        return wrong("wrong brackets")
    if re.search(r"[\[\]]", re.sub(r"\[[^\[\]]*\]", "", text)):
        return wrong("wrong brackets")
    return RIGHT


def _bracketed(words: Sequence[str], marked: Sequence[str], left: str = "[", right: str = "]") -> list[str]:
    return [f"{left}{word}{right}" if word in marked else word for word in words]


def _bracketed_forms(reference: str, words: Sequence[str], marked: Sequence[str]) -> Texts:
    return mutations.framed(reference) | {
        "commas": ", ".join(_bracketed(words, marked)),
        "spaces in the brackets": ", ".join(_bracketed(words, marked, "[ ", " ]")),
        "lines": "\n".join(_bracketed(words, marked)),
        "bullets": "\n".join(f"- {word}" for word in _bracketed(words, marked)),
        "capitals": " ".join(_bracketed(words, marked)).upper() + ".",
    }


def _bracketed_corruptions(reference: str, words: Sequence[str], marked: Sequence[str]) -> Texts:
    others = [word for word in words if word not in marked]
    lists = {
        name: _bracketed(changed, marked)
        for name, changed in (_wrong_lists(words) | _disordered(words)).items()
    }
    if marked:
        lists |= {
            "no brackets": list(words),
            "other brackets": _bracketed(words, marked, "(", ")"),
            "open bracket": _bracketed(words, marked, "[", ""),
            "double brackets": _bracketed(words, marked, "[[", "]"),
        }
    if others:
        lists |= {
            "all in brackets": _bracketed(words, words),
            "the others in brackets": _bracketed(words, others),
        }
    return mutations.spoiled(reference) | {name: ", ".join(changed) for name, changed in lists.items()}


# ---- separated


def _parts(text: str, separator: str) -> list[str]:
    parts = [" ".join(part.split()).casefold() for part in text.split(separator)]
    return [part for part in parts if part] if separator == "\n" else parts


def check_separated(response: str, words: Sequence[str], separator: str) -> Verdict:
    """These words in this order with `separator` between them (a line break: one on each line)."""
    text = reading.bare(response)
    if not text:
        return EMPTY
    said, wanted = _parts(text, separator), [word.casefold() for word in words]
    if said == wanted:
        return RIGHT
    if len(said) == len(wanted):
        return wrong("wrong order" if sorted(said) == sorted(wanted) else "wrong words")
    return wrong("wrong separators or number of words")


def _separated_forms(reference: str, words: Sequence[str], separator: str) -> Texts:
    plain = separator.join(words)
    found = mutations.dressed(plain) | {"as it is": reference, "spaces": f" {separator} ".join(words)}
    return found | ({"blank lines": "\n\n".join(words)} if separator == "\n" else {})


def _separated_corruptions(reference: str, words: Sequence[str], separator: str) -> Texts:
    other = "," if separator != "," else ";"
    lists = _wrong_lists(words) | _disordered(words)
    found = {name: separator.join(changed) for name, changed in lists.items()}
    if len(words) > 1:
        found |= {
            "another separator": other.join(words),
            "no separator": "".join(words),
            "last separator replaced": separator.join(words[:-1]) + f" and {words[-1]}",
        }
    return mutations.spoiled(reference) | found


KINDS = {
    "sequence": Kind(check_sequence, _sequence_forms, _sequence_corruptions),
    "cased": Kind(check_cased, _cased_forms, _cased_corruptions),
    "bracketed": Kind(check_bracketed, _bracketed_forms, _bracketed_corruptions),
    "separated": Kind(check_separated, _separated_forms, _separated_corruptions),
}
