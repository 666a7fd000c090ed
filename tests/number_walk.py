"""Every number of a JSON file, and whether the report's table of numbers has it at its place."""

import json
from pathlib import Path


def leaves(value, path=()):
    """(path, number) of every number in a JSON value; a path is a tuple of keys and places."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*path, str(key)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def assert_listed(file: Path, name: str, rows: list[dict]) -> None:
    """`rows` of the table of numbers hold every number of the file that they call `name`."""
    listed = {row["field"]: row for row in rows if row["source"] == name}
    found = list(leaves(json.loads(file.read_text(encoding="utf-8"))))
    assert found
    for path, number in found:
        field, column = ".".join(path), "value"
        if field not in listed:
            field, column = ".".join(path[:-1]), path[-1]
        assert listed[field][column] == number, (name, path)
