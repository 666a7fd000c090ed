"""The tokenizer of a run's base, byte for byte as on record, without its weights."""

import os
from pathlib import Path

from workflow_scripts.core.hashing import sha256_file
from workflow_scripts.core.models import TOKENIZER_FILES

BESIDE = "tokenizer"  # the folder beside the results in which an archive of a run carries it


def needed_files(identity: dict) -> dict[str, str]:
    """The files that a tokenizer is loaded from, with digests; config.json decides on its class."""
    wanted = {*TOKENIZER_FILES, "config.json"}
    return {name: digest for name, digest in identity["files"].items() if name in wanted}


def _cached(identity: dict) -> Path | None:
    """Where a hub repository's files lie on this machine, if they do; nothing is downloaded."""
    if not identity.get("repo"):
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(identity["repo"], "tokenizer_config.json", revision=identity["revision"])
    return Path(found).parent if isinstance(found, str | os.PathLike) else None


def find_tokenizer(identity: dict, root: Path, base: Path | None) -> Path | None:
    """The first folder with every file on record: beside the results, the base's own, the hub's cache."""
    needed = needed_files(identity)
    for folder in (root / BESIDE, base, _cached(identity)):
        if folder and all(
            (folder / name).is_file() and sha256_file(folder / name) == digest
            for name, digest in needed.items()
        ):
            return folder
    return None
