"""Checks of lists that the response chooses itself: members of sets, bullets, different or ordered words."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

from workflow_scripts.core.checks import mutations, reading
from workflow_scripts.core.checks.kinds import EMPTY, RIGHT, Kind, Texts, Verdict, wrong

# ---- members


def check_members(
    response: str, pools: Sequence[Sequence[str]], counts: Sequence[int], excluded: Sequence[str] = ()
) -> Verdict:
    """`counts[i]` different words of `pools[i]` for every i (disjoint pools), none excluded, no others."""
    said = reading.words(response)
    folded = [{word.casefold() for word in pool} for pool in pools]
    if not said:
        return EMPTY
    if not {word.casefold() for word in excluded}.isdisjoint(said):
        return wrong("an excluded word")
    if not set(said) <= set().union(*folded):
        return wrong("a word of another kind")
    if len(set(said)) < len(said):
        return wrong("a word twice")
    for pool, count in zip(folded, counts, strict=True):
        found = sum(word in pool for word in said)
        if found != count:
            return wrong("too few words" if found < count else "too many words")
    return RIGHT


def _members_forms(
    reference: str, pools: Sequence[Sequence[str]], counts: Sequence[int], excluded: Sequence[str] = ()
) -> Texts:
    said = reading.words(reference)
    found = mutations.framed(reference) | mutations.listed(said)
    return found | {
        "other order": ", ".join(said[::-1]),
        "articles": ", ".join(f"a {word}" for word in said),
        "capitals": ", ".join(said).upper(),
    }


def _members_corruptions(
    reference: str, pools: Sequence[Sequence[str]], counts: Sequence[int], excluded: Sequence[str] = ()
) -> Texts:
    said = reading.words(reference)
    known = [word.casefold() for pool in pools for word in pool]
    barred = [word.casefold() for word in excluded]
    other = mutations.stranger([*known, *barred])
    lists = {
        "one word missing": said[:-1],
        "another kind of word": [*said[:-1], other],
        "another kind of word too many": [*said, other],
        "one word twice": [*said, said[0]],
    }
    unused = [word for word in known if word not in said and word not in barred]
    if unused:
        lists["one word too many"] = [*said, unused[0]]
    if excluded:
        lists["an excluded word"] = [*said[:-1], barred[0]]
    return mutations.spoiled(reference) | {name: ", ".join(changed) for name, changed in lists.items()}


# ---- bullets and numbered


def _check_entries(entries: list[str], count: int, pool: Sequence[str]) -> Verdict:
    """A verdict on the entries of a list, without their markers."""
    said = [" ".join(entry.strip(reading.EDGES).rstrip(".,;").split()).casefold() for entry in entries]
    if len(said) != count:
        return wrong("too few entries" if len(said) < count else "too many entries")
    if len(set(said)) < len(said):
        return wrong("an entry twice")
    if pool and not set(said) <= {word.casefold() for word in pool}:
        return wrong("an entry of another kind")
    return RIGHT


def check_bullets(
    response: str, marker: Literal["-", "*", "+"], count: int, pool: Sequence[str] = ()
) -> Verdict:
    """`count` different lines that begin with `marker` and a space; each from `pool`, if it is given."""
    lines = reading.lines(reading.normal(response))
    if not lines:
        return EMPTY
    if any(not line.startswith(f"{marker} ") for line in lines):
        return wrong("a line without its marker")
    return _check_entries([line[2:] for line in lines], count, pool)


def check_numbered(response: str, count: int, pool: Sequence[str] = ()) -> Verdict:
    """`count` different lines numbered "1." or "1)" and so on; each from `pool`, if it is given."""
    lines = reading.lines(reading.normal(response))
    if not lines:
        return EMPTY
    parts = [re.match(r"([0-9]{1,4})[.)] +(?=\S)", line) for line in lines]
    if any(part is None for part in parts):
        return wrong("a line without its number")
    if [int(part[1]) for part in parts] != list(range(1, len(lines) + 1)):
        return wrong("wrong numbers")
    return _check_entries([line[part.end() :] for line, part in zip(lines, parts, strict=True)], count, pool)


def _entries(reference: str) -> list[str]:
    return [line.split(" ", 1)[1].strip() for line in reading.lines(reference)]


def _entry_forms(reference: str, write: Callable[[list[str]], str]) -> Texts:
    entries = _entries(reference)
    return mutations.framed(reference) | {
        "other order": write(entries[::-1]),
        "capitals": write([entry.upper() for entry in entries]),
        "periods": write([f"{entry.rstrip('.')}." for entry in entries]),
        "blank lines": "\n\n".join(reading.lines(write(entries))),
        "indented": "\n".join(f"  {line}  " for line in reading.lines(write(entries))),
        "windows line ends": write(entries).replace("\n", "\r\n"),
    }


def _entry_corruptions(reference: str, write: Callable[[list[str]], str], pool: Sequence[str]) -> Texts:
    entries = _entries(reference)
    other = mutations.stranger([*entries, *pool])
    lines = reading.lines(write(entries))
    found = {
        "empty": "",
        "one entry missing": write(entries[:-1]),
        "one entry too many": write([*entries, other]),
        "one entry twice": write([*entries[:-1], entries[0]] if len(entries) > 1 else entries * 2),
        "one line without its marker": "\n".join([*lines[:-1], entries[-1]]),
        "no markers": "\n".join(entries),
        "commas": ", ".join(entries),
        "preamble": f"{mutations.PREAMBLE}\n{write(entries)}",
        "remark": f"{write(entries)}\n{mutations.REMARK}",
    }
    return found | ({"an entry of another kind": write([*entries[:-1], other])} if pool else {})


def _bulleted(marker: str) -> Callable[[list[str]], str]:
    return lambda entries: "\n".join(f"{marker} {entry}" for entry in entries)


def _numbered(entries: list[str], end: str = ".", first: int = 1) -> str:
    return "\n".join(f"{number}{end} {entry}" for number, entry in enumerate(entries, first))


def _bullets_forms(reference: str, marker: str, count: int, pool: Sequence[str] = ()) -> Texts:
    return _entry_forms(reference, _bulleted(marker))


def _bullets_corruptions(reference: str, marker: str, count: int, pool: Sequence[str] = ()) -> Texts:
    other = "*" if marker == "-" else "-"
    found = _entry_corruptions(reference, _bulleted(marker), pool)
    return found | {
        "another marker": _bulleted(other)(_entries(reference)),
        "numbers": _numbered(_entries(reference)),
    }


def _numbered_forms(reference: str, count: int, pool: Sequence[str] = ()) -> Texts:
    return _entry_forms(reference, _numbered) | {"parentheses": _numbered(_entries(reference), ")")}


def _numbered_corruptions(reference: str, count: int, pool: Sequence[str] = ()) -> Texts:
    found = _entry_corruptions(reference, _numbered, pool)
    return found | {
        "numbers from zero": _numbered(_entries(reference), first=0),
        "bullets": _bulleted("-")(_entries(reference)),
    }


# ---- distinct and alphabetical


def check_distinct(response: str, count: int, initial: str) -> Verdict:
    """`count` different words, separated by commas, that all begin with the letter `initial`."""
    said = [part.casefold() for part in _comma_parts(response)]
    if not any(said):
        return EMPTY
    if any(not reading.WORD.fullmatch(word) for word in said):
        return wrong("not words between commas")
    if len(said) != count:
        return wrong("too few words" if len(said) < count else "too many words")
    if any(not word.startswith(initial.casefold()) for word in said):
        return wrong("wrong first letter")
    return wrong("a word twice") if len(set(said)) < len(said) else RIGHT


def check_alphabetical(response: str, count: int, initial: str) -> Verdict:
    """As `distinct`, and in alphabetical order."""
    verdict = check_distinct(response, count, initial)
    said = [part.casefold() for part in _comma_parts(response)]
    return wrong("wrong order") if verdict.success and said != sorted(said) else verdict


def _comma_parts(response: str) -> list[str]:
    return [part.strip().strip(reading.EDGES) for part in reading.bare(response).split(",")]


def _distinct_forms(reference: str, count: int, initial: str) -> Texts:
    said = _comma_parts(reference)
    return mutations.framed(reference) | {
        "period": f"{reference}.",
        "capitals": reference.upper(),
        "first capitals": ", ".join(word.capitalize() for word in said),
        "no spaces": ",".join(said),
        "lines after the commas": ",\n".join(said),
        "quotes": ", ".join(f'"{word}"' for word in said),
        "long words": ", ".join(word + "a" * mutations.LONG for word in said),
    }


def _distinct_corruptions(reference: str, count: int, initial: str) -> Texts:
    said = _comma_parts(reference)
    other = "q" if initial.casefold() != "q" else "z"
    lists = {
        "one word missing": said[:-1],
        "one word too many": [*said, said[-1] + "s"],
        "one word twice": [*said[:-1], said[0]] if count > 1 else [],
        "another first letter": [other + said[0], *said[1:]],
        "two words at one place": [f"{said[0]} {said[0]}", *said[1:]],
        "an empty place": [*said[:-1], "", said[-1]],
    }
    found = {name: ", ".join(changed) for name, changed in lists.items()}
    return mutations.spoiled(reference) | found | {"lines": "\n".join(said) if count > 1 else ""}


def _alphabetical_corruptions(reference: str, count: int, initial: str) -> Texts:
    said = _comma_parts(reference)
    swapped = {"reversed": ", ".join(said[::-1]), "last word first": ", ".join([said[-1], *said[:-1]])}
    return _distinct_corruptions(reference, count, initial) | (swapped if count > 1 else {})


KINDS = {
    "members": Kind(check_members, _members_forms, _members_corruptions),
    "bullets": Kind(check_bullets, _bullets_forms, _bullets_corruptions),
    "numbered": Kind(check_numbered, _numbered_forms, _numbered_corruptions),
    "distinct": Kind(check_distinct, _distinct_forms, _distinct_corruptions),
    "alphabetical": Kind(check_alphabetical, _distinct_forms, _alphabetical_corruptions),
}
