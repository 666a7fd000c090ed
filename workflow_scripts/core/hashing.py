"""Canonical JSON, SHA-256 of everything, and seeds derived from it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path


def canonical_json(value) -> str:
    """JSON text with sorted keys and no spaces, the same for equal values. ValueError for NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_text(text: str) -> str:
    """Hexadecimal SHA-256 of a text's UTF-8 bytes."""
    return sha256_bytes(text.encode("utf-8"))


def sha256_file(path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_tree(directory) -> dict[str, str]:
    """SHA-256 of every file below a directory: {relative path with slashes: digest}, sorted by path."""
    directory = Path(directory)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): sha256_file(path) for path in files}


def sha256_weights(directory) -> str:
    """One digest for all `*.safetensors` files of a directory: over canonical JSON of {name: SHA-256}."""
    files = sorted(Path(directory).glob("*.safetensors"))
    return sha256_text(canonical_json({path.name: sha256_file(path) for path in files}))


def token_ids_sha256(ids: Sequence[int]) -> str:
    """SHA-256 over canonical JSON of a list of token ids (plain or numpy integers)."""
    return sha256_text(canonical_json([int(token) for token in ids]))


def record_id(**content) -> str:
    """A record's name: SHA-256 over canonical JSON of its content."""
    return sha256_text(canonical_json(content))


def derive_seed(root: int, *parts) -> int:
    """A seed in [0, 2**63) from a root seed and the names of what it is for (JSON values).

    The first 8 bytes, big-endian and shifted right by one, of SHA-256 over canonical JSON of [root, *parts]:
    a record's seed depends on the record alone, never on batch, shard size or order.
    """
    digest = hashlib.sha256(canonical_json([root, *parts]).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
