"""Canonical JSON, SHA-256 of everything, and seeds derived from it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

READ_BYTES = 16 * 2**20
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value) -> str:
    """JSON text with sorted keys and no spaces, the same for equal values. ValueError for NaN or infinity."""
    return _CANONICAL.encode(value)


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_text(text: str) -> str:
    """Hexadecimal SHA-256 of a text's UTF-8 bytes."""
    return sha256_bytes(text.encode("utf-8"))


def sha256_file(path, advance: Callable[[int], None] | None = None) -> str:
    """Hexadecimal SHA-256 of a file's bytes. `advance(n)` is told of n more bytes done."""
    with open(path, "rb") as stream:
        if advance is None:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256()
        while part := stream.read(READ_BYTES):
            digest.update(part)
            advance(len(part))
        return digest.hexdigest()


def sha256_tree(directory, advance: Callable[[int], None] | None = None) -> dict[str, str]:
    """SHA-256 of every file below a directory: {relative path with slashes: digest}, sorted by path."""
    directory = Path(directory)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): sha256_file(path, advance) for path in files}


def weights_digest(files: Mapping[str, str]) -> str:
    """One digest for the `*.safetensors` files among {name: SHA-256}: over canonical JSON of these alone."""
    weights = {name: digest for name, digest in files.items() if name.endswith(".safetensors")}
    return sha256_text(canonical_json(weights))


def sha256_weights(directory) -> str:
    """`weights_digest` of the files in a directory."""
    return weights_digest({path.name: sha256_file(path) for path in Path(directory).glob("*.safetensors")})


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
