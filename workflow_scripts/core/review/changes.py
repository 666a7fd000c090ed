"""What differs between two JSON values, field by field."""

from workflow_scripts.core.hashing import canonical_json
from workflow_scripts.core.review.graph import Change

MISSING = object()


def _text(value) -> str | None:
    return None if value is MISSING else canonical_json(value)


def changes(old, new, path: str = "") -> list[Change]:
    """Each field that differs, by its dotted path, sorted; lists of equal length are compared by place."""
    if isinstance(old, dict) and isinstance(new, dict):
        parts = [(name, old.get(name, MISSING), new.get(name, MISSING)) for name in sorted(old | new)]
        return [found for name, *pair in parts for found in changes(*pair, f"{path}.{name}".lstrip("."))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        parts = list(zip(old, new, strict=True))
        return [found for place, pair in enumerate(parts) for found in changes(*pair, f"{path}[{place}]")]
    same = old is new or (old is not MISSING and new is not MISSING and _text(old) == _text(new))
    return [] if same else [Change(path, _text(old), _text(new))]
