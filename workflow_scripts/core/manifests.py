"""The list of all files of a run with their digests, and the names by which it calls them wherever they lie.

A name is `results/...` or `reports/...` whatever the folders are called on one machine; `given` files
(prompts, tasks, modules) keep their path below the project.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workflow_scripts.core import seals
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_file

NAME = "manifest.json"
PARTS = ("config", "code", "environment", "files", "given")


@dataclass(frozen=True)
class Places:
    """Where a run's two folders lie: `results`, and `reports`, which may lie inside it."""

    results: Path | str
    reports: Path | str

    def name_of(self, path) -> str:
        """A file's name in the manifest. ValueError for one in neither folder."""
        folders = {"reports": PurePosixPath(self.reports), "results": PurePosixPath(self.results)}
        path = PurePosixPath(path)
        # Reports first: they may lie below results.
        for name, folder in folders.items():
            if path.is_relative_to(folder):
                return (name / path.relative_to(folder)).as_posix()
        raise ValueError(f"{path} lies neither in {self.results} nor in {self.reports}")

    def path_of(self, name: str) -> Path:
        """Where the file of a name lies."""
        folder, _, rest = name.partition("/")
        return Path({"results": self.results, "reports": self.reports}[folder]) / rest


def describe(path) -> dict:
    """{bytes, sha256} of a file."""
    return {"bytes": Path(path).stat().st_size, "sha256": sha256_file(path)}


def manifest(settings: dict, made: Iterable[str], given: Iterable[str], places: Places) -> dict:
    """The sealed list. `settings`: the configuration, and {rule: digest} of code and environment."""
    content = {
        **settings,
        "files": {places.name_of(path): describe(path) for path in made},
        "given": {PurePosixPath(path).as_posix(): describe(path) for path in given},
    }
    return seals.sealed(content)


def find_places(results) -> Places:
    """The folders of a run, from that of its results: its pages lie inside it, or beside it as `reports`."""
    results = Path(results)
    inside = results / "reports"
    return Places(results, inside if inside.is_dir() else results.resolve().parent / "reports")


def read_manifest(results) -> dict:
    """The manifest of a results folder, its seal not yet looked at. InputError when there is none."""
    path = Path(results) / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        whole = all(isinstance(content[part], dict) for part in PARTS)
    except FileNotFoundError:
        remedy = "no manifest is there: give a results folder whose run came to its end (make run)"
        raise InputError(file=path, remedy=remedy) from None
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise InputError(file=path, remedy="this is no manifest: its content was changed")
    return content
