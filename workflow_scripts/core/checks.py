"""Programmatic checks: does a response do what its item asks?

A check is a dictionary {"kind": name, ...arguments}, kept as JSON beside the item. `score` looks the kind up
in `CHECKS` and returns a verdict with a reason. A check is fair to surface form (case, spacing, a final
period, commas or "and" or lines between the words, bullets, articles, quotes) unless the task is about that
form, and strict about content: anything beyond what was asked is wrong. The length of a response is never
looked at.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ARTICLES = {"a", "an", "the"}
BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
SEPARATORS = re.compile(r"[\s,;]+")
EDGES = "\"'`“”‘’*_"
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of a check: success, and one short reason (the same text for the same kind of failure)."""

    success: bool
    reason: str


RIGHT = Verdict(True, "right")


def _tidy(response: str) -> str:
    """The response in NFKC, without list bullets, surrounding space and closing punctuation."""
    text = BULLET.sub("", unicodedata.normalize("NFKC", response)).strip()
    return text.rstrip(".!").rstrip()


def _tokens(response: str) -> list[str]:
    """The words of a list-like response, case kept; separators, "and", articles and quotes dropped."""
    tokens = (token.strip(EDGES + ".!") for token in SEPARATORS.split(_tidy(response)))
    return [token for token in tokens if token and token.casefold() not in ARTICLES | {"and", "&"}]


def _words(response: str) -> list[str]:
    return [token.casefold() for token in _tokens(response)]


def check_exact(response: str, accepted: Sequence[str]) -> Verdict:
    """The whole response is one of `accepted`."""
    words = _words(response)
    if not words:
        return Verdict(False, "empty")
    if any(words == _words(answer) for answer in accepted):
        return RIGHT
    if any(set(_words(answer)) <= set(words) for answer in accepted):
        return Verdict(False, "says more than the answer")
    return Verdict(False, "another answer")


def check_sequence(response: str, words: Sequence[str | Sequence[str]]) -> Verdict:
    """Exactly these words in this order; a position may list several accepted words."""
    said = _words(response)
    wanted = [[word] if isinstance(word, str) else list(word) for word in words]
    if not said:
        return Verdict(False, "empty")
    if len(said) > len(wanted):
        return Verdict(False, "too many words")
    if len(said) < len(wanted):
        return Verdict(False, "too few words")
    if all(word in options for word, options in zip(said, wanted, strict=True)):
        return RIGHT
    if sorted(said) == sorted(options[0] for options in wanted):
        return Verdict(False, "wrong order")
    return Verdict(False, "wrong words")


def check_members(
    response: str, pools: Sequence[Sequence[str]], counts: Sequence[int], excluded: Sequence[str] = ()
) -> Verdict:
    """`counts[i]` different words of `pools[i]` for every i (disjoint pools), none excluded, no others."""
    said = _words(response)
    if not said:
        return Verdict(False, "empty")
    if any(word in excluded for word in said):
        return Verdict(False, "an excluded word")
    if any(not any(word in pool for pool in pools) for word in said):
        return Verdict(False, "a word of another kind")
    if len(set(said)) < len(said):
        return Verdict(False, "a word twice")
    for pool, count in zip(pools, counts, strict=True):
        found = sum(word in pool for word in said)
        if found != count:
            return Verdict(False, "too few words" if found < count else "too many words")
    return RIGHT


def check_cased(response: str, words: Sequence[str], case: str) -> Verdict:
    """These words in this order, each in `case` ("upper" or "lower"): capitals count here."""
    verdict = check_sequence(response, words)
    if not verdict.success:
        return verdict
    change = str.upper if case == "upper" else str.lower
    if any(token != change(token) for token in _tokens(response)):
        return Verdict(False, "wrong case")
    return RIGHT


def check_bracketed(response: str, words: Sequence[str], marked: Sequence[str]) -> Verdict:
    """These words in this order, those in `marked` each in square brackets of its own, the others in none."""
    text = _tidy(response)
    if not text:
        return Verdict(False, "empty")
    verdict = check_sequence(text.replace("[", " ").replace("]", " "), words)
    if not verdict.success:
        return verdict
    inside = [" ".join(_words(part)) for part in re.findall(r"\[([^\[\]]*)\]", text)]
    if inside != [word for word in words if word in marked]:
        return Verdict(False, "wrong brackets")
    if re.search(r"[\[\]]", re.sub(r"\[[^\[\]]*\]", "", text)):
        return Verdict(False, "wrong brackets")
    return RIGHT


def check_sentence(
    response: str, contains: Sequence[str], ends_with: str, excluded: Sequence[str] = ()
) -> Verdict:
    """One sentence with every word of `contains`, none of `excluded`, and `ends_with` as its last word."""
    text = _tidy(response).rstrip("?" + EDGES).rstrip(".!?")
    said = [word.casefold() for word in WORD.findall(text)]
    if not said:
        return Verdict(False, "empty")
    if any(word not in said for word in contains):
        return Verdict(False, "a word is missing")
    if said[-1] != ends_with:
        return Verdict(False, "wrong ending")
    if re.search(r"[.!?]+[\"'”’)]*\s", text):
        return Verdict(False, "more than one sentence")
    if any(word in said for word in excluded):
        return Verdict(False, "an excluded word")
    if not set(said) - set(contains) - {ends_with} - ARTICLES - {"and"}:
        return Verdict(False, "not a sentence")
    return RIGHT


CHECKS: dict[str, Callable[..., Verdict]] = {
    "exact": check_exact,
    "sequence": check_sequence,
    "members": check_members,
    "cased": check_cased,
    "bracketed": check_bracketed,
    "sentence": check_sentence,
}


def score(check: dict, response: str) -> Verdict:
    """Judge `response` by `check` ({"kind": a key of CHECKS, ...its arguments})."""
    arguments = {name: value for name, value in check.items() if name != "kind"}
    return CHECKS[check["kind"]](response, **arguments)
