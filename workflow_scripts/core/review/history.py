"""What changed since the last completed session: configuration, files under version control, packages."""

import functools
import importlib.metadata
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.core.code_digest import imports_of
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.review.changes import changes
from workflow_scripts.core.review.graph import Change, Graph, Job

STATES = {"A": "added", "M": "changed", "D": "removed", "T": "changed", "?": "added"}
PLACES = "pathvars"  # where results go is no change of a run


@dataclass(frozen=True)
class FileChange:
    """A file that differs from the session's commit, and the rules that use it."""

    path: str
    state: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Since:
    """The session, and what differs from it; `files` is None where git cannot say, `doubt` says why not or
    what limits it."""

    session: Mapping
    config: tuple[Change, ...]
    packages: tuple[Change, ...]
    files: tuple[FileChange, ...] | None
    doubt: str | None


def last_completed(directory) -> dict | None:
    """The last session that ended well, by its start; None without one."""
    sessions = [read_json(path) for path in Path(directory).glob("*.json")]
    completed = [session for session in sessions if session["status"] == "completed"]
    return max(completed, key=lambda session: session["start"], default=None)


def _git(*arguments: str) -> str | None:
    """What git prints, or None where it cannot answer."""
    result = subprocess.run(["git", *arguments], capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else None


def changed_files(commit: str) -> dict[str, str] | None:
    """{path: added, changed or removed} between a commit and the working tree; None without that commit."""
    known = _git("diff", "--name-status", "--no-renames", "-z", commit)
    new = _git("ls-files", "--others", "--exclude-standard", "-z")
    if known is None or new is None:
        return None
    parts = known.split("\0")
    found = {path: STATES.get(state, "changed") for state, path in zip(parts[::2], parts[1::2], strict=False)}
    return found | dict.fromkeys(filter(None, new.split("\0")), STATES["?"])


@functools.cache
def _modules(script: str) -> frozenset[str]:
    return frozenset(imports_of(script, Path.cwd()))


def modules_of(job: Job) -> frozenset[str]:
    """The project files that a job's module runs."""
    return _modules(job.script) if job.script else frozenset()


def users(graph: Graph) -> dict[str, tuple[str, ...]]:
    """{file: the rules that read it or run it}"""
    found: dict[str, dict[str, None]] = {}
    for rule, jobs in graph.rules.items():
        for file in {file for job in jobs for file in job.inputs} | modules_of(jobs[0]):
            found.setdefault(file, {})[rule] = None
    return {file: tuple(rules) for file, rules in found.items()}


def package_changes(before: Mapping[str, str]) -> list[Change]:
    """Installed packages against a session's, by name."""
    now = {item.name: item.version for item in importlib.metadata.distributions()}
    return changes(dict(before), now)


def since(session: Mapping, graph: Graph) -> Since:
    """What differs now from a session's file."""
    kept = [
        {name: value for name, value in config.items() if name != PLACES}
        for config in (session["config"], graph.config)
    ]
    commit = session.get("git_commit")
    found = changed_files(commit) if commit else None
    doubt = None
    if found is None:
        doubt = "git does not know the commit of that session here"
    elif session.get("git_dirty"):
        doubt = "that session ran with changes that were not committed: they are not seen here"
    return Since(
        session=session,
        config=tuple(changes(*kept)),
        packages=tuple(package_changes(session["packages"])),
        files=None if found is None else tuple(_with_users(found, users(graph))),
        doubt=doubt,
    )


def _with_users(found: Mapping[str, str], rules: Mapping[str, tuple[str, ...]]) -> Iterable[FileChange]:
    """Files that rules use first."""
    entries = [FileChange(path, state, rules.get(path, ())) for path, state in found.items()]
    return sorted(entries, key=lambda entry: (not entry.rules, entry.path))
