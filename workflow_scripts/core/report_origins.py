"""The rows of the report's tables about provenance: models, packages, origin and digest of every file."""

import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from workflow_scripts.core.hashing import canonical_json, sha256_file

ANALYSIS_PACKAGES = ("altair", "jinja2", "numpy", "pyarrow", "scipy", "vl-convert-python")


def provenance_texts(path) -> list[str]:
    """The distinct provenance texts of a record file, in order of first appearance."""
    column = pq.read_table(path, columns=["provenance"]).column("provenance")
    return list(dict.fromkeys(text for text in column.to_pylist()))


def _plain(value) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def identity_rows(identity: dict, trainings: dict[str, dict], packages: dict[str, str]) -> list[dict]:
    """Who is who: the base model's identity, each training run's report, and the packages used.

    Lists and long objects of a training report are left to its file.
    """
    rows = [
        {"subject": "base model", "field": name, "value": _plain(value)}
        for name, value in identity.items()
        if not isinstance(value, dict)
    ]
    rows += [
        {"subject": "base model", "field": name, "value": digest}
        for name, digest in identity.get("files", {}).items()
    ]
    for run, report in trainings.items():
        rows += [
            {"subject": f"training {run}", "field": name, "value": _plain(value)}
            for name, value in report.items()
            if not isinstance(value, dict | list)
        ]
    rows += [
        {"subject": "packages", "field": name, "value": version} for name, version in sorted(packages.items())
    ]
    return rows


def packages_of(texts: Sequence[str]) -> dict[str, str]:
    """Versions of the packages that made the records, as these say, and of those that made the numbers."""
    versions = {name: importlib.metadata.version(name) for name in ANALYSIS_PACKAGES}
    for text in dict.fromkeys(texts):
        versions |= json.loads(text).get("packages") or {}
    return versions


def record_file_rows(provenance: dict[str, Sequence[str]]) -> list[dict]:
    """What each record file says of its origin; several origins in one file stand side by side."""
    rows = []
    for name, texts in provenance.items():
        origins = [json.loads(text) for text in texts]
        parts = {
            "model": [origin.get("model", {}).get("id") for origin in origins],
            "weights_sha256": [origin.get("model", {}).get("weights_sha256") for origin in origins],
            "engine": [" ".join(_engine(origin.get("engine") or {})) for origin in origins],
            "code_digest": [origin.get("code_digest") for origin in origins],
            "git_commit": [_commit(origin) for origin in origins],
        }
        distinct = {
            key: dict.fromkeys(str(value) for value in values if value) for key, values in parts.items()
        }
        rows.append({"file": name} | {key: ", ".join(values) or None for key, values in distinct.items()})
    return rows


def _engine(engine: dict) -> list[str]:
    return [str(engine[key]) for key in ("name", "version", "dtype", "device") if engine.get(key)]


def _commit(origin: dict) -> str | None:
    commit = origin.get("git_commit")
    return f"{commit} with changes" if commit and origin.get("git_dirty") else commit


def file_rows(paths: Sequence[Path], root: Path) -> list[dict]:
    """SHA-256 of each file, by its path below the results' root; each once, sorted."""
    names = sorted({path.relative_to(root).as_posix() for path in paths})
    return [{"file": name, "sha256": sha256_file(root / name)} for name in names]
