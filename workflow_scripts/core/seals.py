"""Files that vouch for themselves: a digest of the rest of the content inside, and one way to write them.

For files that no manifest can list: the manifest itself, and the records of sessions, which differ between
identical runs. A seal shows a slip, not a forger, who can seal anew.
"""

from pathlib import Path

from workflow_scripts.core.hashing import canonical_json, sha256_text
from workflow_scripts.core.outputs import json_text

SEAL = "seal"


def seal_of(content: dict) -> str:
    """SHA-256 over canonical JSON of everything but the seal."""
    return sha256_text(canonical_json({name: value for name, value in content.items() if name != SEAL}))


def sealed(content: dict) -> dict:
    """The content with its seal, which replaces an earlier one."""
    return {**content, SEAL: seal_of(content)}


def broken_seal(path, content: dict) -> tuple[str, str, str] | None:
    """(field, expected, found) where a sealed file is not as it was written, or None.

    Two things are asked: the seal is that of the content, and the bytes are those that it is written as.
    """
    if content.get(SEAL) != seal_of(content):
        return SEAL, seal_of(content), str(content.get(SEAL, "absent"))
    lines = json_text(content).splitlines(keepends=True)
    found = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    for number, (expected, line) in enumerate(zip(lines, found, strict=False), 1):
        if expected != line:
            return f"line {number}", expected.rstrip("\n"), line.rstrip("\n")
    return None if len(lines) == len(found) else ("lines", str(len(lines)), str(len(found)))
