"""A document with one field changed."""

import copy

LEFT_OUT = object()


def with_field(document: dict, field: str, value) -> dict:
    """A copy with another value (or none, for LEFT_OUT) at `field`, a path of keys with slashes."""
    changed = copy.deepcopy(document)
    *parents, last = field.split("/")
    place = changed
    for name in parents:
        place = place[name]
    if value is LEFT_OUT:
        del place[last]
    else:
        place[last] = value
    return changed
