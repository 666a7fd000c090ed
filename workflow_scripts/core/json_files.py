"""Reading JSON files."""

import json
from pathlib import Path

from workflow_scripts.core.errors import InputError


def read_json(path) -> dict:
    """A JSON file's content. FileNotFoundError when there is none, InputError when it is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise InputError(file=path, remedy=f"this is not valid JSON: {error}") from None
