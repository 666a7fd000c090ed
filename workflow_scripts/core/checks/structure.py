"""Checks of structured text: JSON objects and arrays, and lines of "key: value"."""

import json
from collections.abc import Sequence
from typing import Any

from workflow_scripts.core.checks import mutations, reading
from workflow_scripts.core.checks.kinds import EMPTY, RIGHT, Kind, Texts, Verdict, wrong

# ---- JSON


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _refuse(name: str):
    raise ValueError(f"{name} is not JSON")


def _parse(response: str) -> Any:
    """The JSON value of a response, in a Markdown code fence or bare; ValueError when it is none."""
    try:
        text = reading.unfenced(response)
        return json.loads(text, object_pairs_hook=_distinct_keys, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: unlike Python's, it tells true from 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def check_json_object(response: str, members: dict[str, Any]) -> Verdict:
    """A JSON object with exactly these keys and values, and no text outside it; the order of keys is free."""
    if not response.strip():
        return EMPTY
    try:
        found = _parse(response)
    except ValueError:
        return wrong("not JSON alone")
    if not isinstance(found, dict):
        return wrong("another kind of JSON value")
    if found.keys() != members.keys():
        return wrong("wrong keys")
    return RIGHT if all(_same(found[key], members[key]) for key in members) else wrong("wrong values")


def check_json_array(response: str, items: Sequence[Any]) -> Verdict:
    """A JSON array of exactly these items in this order, and no text outside it."""
    if not response.strip():
        return EMPTY
    try:
        found = _parse(response)
    except ValueError:
        return wrong("not JSON alone")
    if not isinstance(found, list):
        return wrong("another kind of JSON value")
    if len(found) != len(items):
        return wrong("too few items" if len(found) < len(items) else "too many items")
    return RIGHT if all(map(_same, found, items)) else wrong("wrong items")


def _json_forms(reference: str, value: Any) -> Texts:
    plain = json.dumps(value)
    return mutations.framed(reference) | {
        "one line": plain,
        "compact": json.dumps(value, separators=(",", ":")),
        "indented": json.dumps(value, indent=4),
        "wide": json.dumps(value, indent=mutations.LONG),
        "code fence": f"```\n{plain}\n```",
        "json code fence": f"```json\n{json.dumps(value, indent=2)}\n```",
        "not escaped": json.dumps(value, ensure_ascii=False),
    }


def _json_corruptions(value: Any) -> Texts:
    plain = json.dumps(value)
    return mutations.spoiled(plain) | {
        "last character missing": plain[:-1],
        "comma at the end": f"{plain[:-1]},{plain[-1]}",
        "as a text": json.dumps(plain),
        "in an array": json.dumps([value]),
        "twice": f"{plain}\n{plain}",
    }


def _other(value: Any) -> Any:
    """A value of another type that a careless writer might give."""
    return str(value) if not isinstance(value, str) else [value]


def _json_object_forms(reference: str, members: dict[str, Any]) -> Texts:
    return _json_forms(reference, members) | {"keys in reverse": json.dumps(dict(reversed(members.items())))}


def _json_object_corruptions(reference: str, members: dict[str, Any]) -> Texts:
    first, *rest = members
    without = {key: members[key] for key in rest}
    changed = {
        "one key missing": without,
        "one key too many": members | {f"{first}_2": None},
        "wrong key": {f"{first}s": members[first]} | without,
        "key in capitals": {first.swapcase(): members[first]} | without,
        "value of another type": members | {first: _other(members[first])},
        "no value": members | {first: [None]},
    }
    return _json_corruptions(members) | {
        **{name: json.dumps(value) for name, value in changed.items() if not _same(value, members)},
        "single quotes": json.dumps(members).replace('"', "'"),
        "a key twice": json.dumps(members)[:-1] + f", {json.dumps(first)}: {json.dumps(members[first])}}}",
        "keys without quotes": json.dumps(members).replace(json.dumps(first), first, 1),
    }


def _json_array_forms(reference: str, items: Sequence[Any]) -> Texts:
    return _json_forms(reference, list(items))


def _json_array_corruptions(reference: str, items: Sequence[Any]) -> Texts:
    plain = list(items)
    changed = {
        "one item missing": plain[:-1],
        "one item too many": [*plain, "one more"],
        "reversed": plain[::-1],
        "item of another type": [*plain[:-1], _other(plain[-1])],
        "object": {str(place): item for place, item in enumerate(plain)},
    }
    found = {name: json.dumps(value) for name, value in changed.items() if not _same(value, plain)}
    return _json_corruptions(plain) | found | {"no brackets": json.dumps(plain)[1:-1] + ","}


# ---- lines of key and value


def check_key_values(response: str, pairs: Sequence[Sequence[str]]) -> Verdict:
    """One line "key: value" for each of the pairs [key, value], in this order, and nothing else."""
    lines = reading.lines(reading.normal(response))
    if not lines:
        return EMPTY
    if any(":" not in line for line in lines):
        return wrong("a line without a colon")
    parts = [line.split(":", 1) for line in lines]
    said = [[" ".join(part.split()).casefold() for part in pair] for pair in parts]
    wanted = [[part.casefold() for part in pair] for pair in pairs]
    if said == wanted:
        return RIGHT
    if len(said) != len(wanted):
        return wrong("too few lines" if len(said) < len(wanted) else "too many lines")
    return wrong("wrong order" if sorted(said) == sorted(wanted) else "wrong keys or values")


def _key_lines(pairs: Sequence[Sequence[str]], colon: str = ": ", end: str = "\n") -> str:
    return end.join(f"{key}{colon}{value}" for key, value in pairs)


def _key_values_forms(reference: str, pairs: Sequence[Sequence[str]]) -> Texts:
    return mutations.framed(reference) | {
        "no spaces": _key_lines(pairs, ":"),
        "more spaces": _key_lines(pairs, "  :   "),
        "blank lines": _key_lines(pairs, end="\n\n"),
        "capitals": _key_lines(pairs).upper(),
        "windows line ends": _key_lines(pairs, end="\r\n"),
    }


def _key_values_corruptions(reference: str, pairs: Sequence[Sequence[str]]) -> Texts:
    (first, value), *rest = pairs
    other = mutations.stranger([part for pair in pairs for part in pair])
    found = mutations.spoiled(reference) | {
        "one line missing": _key_lines(rest),
        "one line too many": _key_lines([*pairs, (other, value)]),
        "wrong key": _key_lines([(f"{first}s", value), *rest]),
        "wrong value": _key_lines([(first, other), *rest]),
        "key and value swapped": _key_lines([(value, first), *rest]) if value != first else "",
        "equals signs": _key_lines(pairs, " = "),
        "preamble line": f"{mutations.PREAMBLE}\n{_key_lines(pairs)}",
    }
    if rest:
        found |= {"wrong order": _key_lines(pairs[::-1]), "one line": _key_lines(pairs, end=", ")}
    return found


KINDS = {
    "json_object": Kind(check_json_object, _json_object_forms, _json_object_corruptions),
    "json_array": Kind(check_json_array, _json_array_forms, _json_array_corruptions),
    "key_values": Kind(check_key_values, _key_values_forms, _key_values_corruptions),
}
