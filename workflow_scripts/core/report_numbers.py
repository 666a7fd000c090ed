"""Every number of the result files by its place in them, so that each can be looked up in one table."""

from collections.abc import Iterator

METRIC = {"value", "low", "high", "n"}


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def numbers_in(value, field: str = "") -> Iterator[dict]:
    """The numbers below a parsed JSON value: {field, value, low, high, n}.

    `field` is the way to the number: keys and places in lists, joined by dots. A metric, an object of nothing
    but value, low, high and n, is one entry.
    """
    if _is_number(value):
        yield {"field": field, "value": value}
    elif isinstance(value, dict) and "value" in value and value.keys() <= METRIC:
        if any(map(_is_number, value.values())):
            yield {"field": field, **value}
    elif isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for name, part in parts:
            yield from numbers_in(part, f"{field}.{name}" if field else str(name))


def number_rows(documents: dict[str, dict]) -> list[dict]:
    """Every number of each file, by the files' names."""
    return [
        {"source": source, **row} for source, document in documents.items() for row in numbers_in(document)
    ]
