"""What must not leave the machine: hosts and paths in sessions are replaced, secrets are looked for."""

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json, sha256_text
from workflow_scripts.core.manifests import Places

TOKENS = re.compile(r"\b(?:hf_[A-Za-z0-9]{30,}|rpa_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9-]{24,})\b")
SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASSWORD|API_KEY|ACCESS_KEY")
SHORTEST = 8  # characters of a secret: shorter values of such variables ("true") occur anywhere
SHORTEST_HOST = 5
SHOWN = 4


def shared_session(session: dict, host: str, inner: Places) -> dict:
    """A session as others may read it: the host by a number, the command without folders, files by their
    names in the archive. What was made, with what, and when, stays."""
    where = session["config"].get("pathvars", {})
    places = Places(where.get("results", "results"), where.get("reports", "reports"))

    def moved(path: str) -> str:
        try:
            return inner.path_of(places.name_of(path)).as_posix()
        except ValueError:
            return PurePath(path).name

    pathvars = {"results": str(inner.results), "reports": str(inner.reports)}
    config = {**session["config"], "pathvars": pathvars}
    return {
        **session,
        "command": [
            PurePath(word).name if PurePath(word).is_absolute() else word for word in session["command"]
        ],
        "config": config,
        "config_sha256": sha256_text(canonical_json(config)),
        "machine": {**session["machine"], "host": host},
        "made": {moved(path): made for path, made in session["made"].items()},
        "planned": sorted(moved(path) for path in session["planned"]),
    }


def private_words(sessions: list[dict]) -> dict[str, str]:
    """{text that may not be in the archive: what it is}: secrets of the environment, the home, hosts."""
    words = {
        value: f"the value of {name}"
        for name, value in os.environ.items()
        if SECRET_NAMES.search(name.upper()) and len(value) >= SHORTEST
    }
    words[f"{Path.home()}/"] = "this user's home folder"
    hosts = {platform.node(), *(session["machine"]["host"] for session in sessions)}
    words |= {host: "a machine's name" for host in hosts if host and len(host) >= SHORTEST_HOST}
    return words


def _texts(path: Path) -> Iterator[str]:
    """What a file says: the texts of records, each distinct one once, or all of it; nothing for weights."""
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            if pa.types.is_string(column.type) or pa.types.is_dictionary(column.type):
                yield "\n".join(str(value) for value in column.unique().to_pylist())
    elif path.suffix != ".safetensors":
        yield path.read_text(encoding="utf-8", errors="replace")


def refuse_private(folder: Path, words: dict[str, str]) -> None:
    """InputError for the first file that holds a private word or the form of a secret token."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for text in _texts(path):
            found = next((what for word, what in words.items() if word in text), None)
            token = TOKENS.search(text)
            if found or token:
                value = found or f"{token[0][:SHOWN]}... (the form of a secret token)"
                remedy = "it may not be shared: take it out of where it came from, and run again"
                raise InputError(file=path.relative_to(folder), field="content", value=value, remedy=remedy)
