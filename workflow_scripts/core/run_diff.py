"""What differs between two runs, or two sessions: configuration, code, environment and data."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow_scripts.core import manifests
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_file

ABSENT = "absent"
# What two identical runs state otherwise, as it was measured: times and dollars.
MEASURED = (
    "results/budget/ledger.json",
    "results/budget/projection-",
    "results/gates/budget",
    "reports/costs.html",
    "reports/summary.html",
)
MACHINE = ("system", "python", "cpus", "gpus")  # a host's name is no difference


@dataclass(frozen=True)
class Side:
    """One of the two. `files`: {name: {bytes, sha256}}; `code` and `environments`: {rule: digest}, None where
    that is not on record; `results`: its folder, None for a session alone."""

    label: str
    config: dict
    packages: dict[str, str]
    machine: dict
    commit: dict
    files: dict[str, dict]
    code: dict[str, str] | None = None
    environments: dict[str, str] | None = None
    results: Path | None = None
    notes: list[str] = field(default_factory=list)


def read_session(path: Path) -> dict:
    """A session's record. InputError when the file is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["config"], content["packages"], content["made"], content["start"]
    except (OSError, ValueError, KeyError, TypeError):
        remedy = "give a folder of results, or a session's file below its sessions/"
        raise InputError(file=path, remedy=remedy) from None
    return content


def _commit(session: dict) -> dict:
    return {name: session.get(name) for name in ("git_commit", "git_dirty")}


def _without_places(config: dict) -> dict:
    return {name: value for name, value in config.items() if name != "pathvars"}


def session_side(path: Path) -> Side:
    """A session: what it was asked for and what it made, by the names that a manifest gives."""
    session = read_session(path)
    where = session["config"].get("pathvars", {})
    places = manifests.Places(where.get("results", "results"), where.get("reports", "reports"))
    files = {places.name_of(name): made for name, made in session["made"].items() if "sha256" in made}
    machine = {name: session["machine"].get(name) for name in MACHINE}
    config = _without_places(session["config"])
    notes = ["a session records no digests of code: look at its commit"]
    return Side(str(path), config, session["packages"], machine, _commit(session), files, notes=notes)


def results_side(results: Path) -> Side:
    """A folder of results, by its manifest; without one by its last session and the files themselves."""
    paths = sorted((results / "sessions").glob("*.json"))
    sessions = sorted((read_session(path) for path in paths), key=lambda session: session["start"])
    last = sessions[-1] if sessions else {"packages": {}, "machine": {}, "config": {}}
    machine = {name: last["machine"].get(name) for name in MACHINE}
    if (results / manifests.NAME).is_file():
        manifest = manifests.read_manifest(results)
        digests = manifest["code"], manifest["environment"]
        common = (last["packages"], machine, _commit(last), manifest["files"])
        return Side(str(results), manifest["config"], *common, *digests, results)
    if not sessions:
        remedy = "neither a manifest nor a session is there: give the folder of a run's results"
        raise InputError(file=results, remedy=remedy)
    files = dict(_present(results))
    notes = ["no manifest is there (not the end of a run): digests of code are not on record"]
    config = _without_places(last["config"])
    return Side(
        str(results), config, last["packages"], machine, _commit(last), files, results=results, notes=notes
    )


def _present(results: Path) -> Iterator[tuple[str, dict]]:
    """The files of a run without a manifest, but for those that differ between identical runs."""
    places = manifests.find_places(results)
    apart = ("sessions", "logs", "benchmarks", "usage", "reports")
    for path in sorted(results.rglob("*")):
        parts = path.relative_to(results).parts
        merged = any(part.endswith("-merged") for part in parts)
        hidden = any(part.startswith(".") for part in parts)
        if path.is_file() and parts[0] not in apart and not merged and not hidden:
            yield places.name_of(path), manifests.describe(path)
    page = Path(places.reports) / "summary.html"
    if page.is_file():
        yield "reports/summary.html", {"bytes": page.stat().st_size, "sha256": sha256_file(page)}


def read_side(path) -> Side:
    """A folder of results or a session's file. InputError for anything else."""
    path = Path(path)
    if path.is_dir():
        return results_side(path)
    return session_side(path)


def leaves(value, name: str = "") -> Iterator[tuple[str, object]]:
    """(dotted path, value) of everything in a parsed JSON value that is no object."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from leaves(value[key], f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def changed(a: dict, b: dict, key: str) -> list[dict]:
    """[{key, a, b}] for every name whose values differ."""
    names = sorted({*a, *b})
    rows = [{key: name, "a": a.get(name, ABSENT), "b": b.get(name, ABSENT)} for name in names]
    return [row for row in rows if row["a"] != row["b"]]


def _rows_of(side: Side, name: str) -> int | None:
    """Records of a file, where it is one and is there."""
    if side.results is None or not name.endswith(".parquet"):
        return None
    try:
        return pq.read_metadata(manifests.find_places(side.results).path_of(name)).num_rows
    except (OSError, pa.ArrowException):
        return None


def data_difference(a: Side, b: Side) -> dict:
    """Files of both with other bytes, their sizes and records; files of one alone; how many are equal."""
    shared = sorted(a.files.keys() & b.files.keys())
    other = [name for name in shared if a.files[name]["sha256"] != b.files[name]["sha256"]]

    def described(side: Side, name: str) -> dict:
        return {**side.files[name], "records": _rows_of(side, name)}

    return {
        "same": len(shared) - len(other),
        "different": [
            {"file": name, "a": described(a, name), "b": described(b, name)}
            for name in other
            if not name.startswith(MEASURED)
        ],
        "measured": [name for name in other if name.startswith(MEASURED)],
        "only_a": sorted(a.files.keys() - b.files.keys()),
        "only_b": sorted(b.files.keys() - a.files.keys()),
    }


def difference(a: Side, b: Side) -> dict:
    """Everything but the outcome, as lists that are empty where nothing differs."""
    on_record = a.code is not None and b.code is not None
    return {
        "config": changed(dict(leaves(a.config)), dict(leaves(b.config)), "field"),
        "code": {
            "rules": changed(a.code, b.code, "rule") if on_record else [],
            "commit": changed(a.commit, b.commit, "name"),
        },
        "environment": {
            "rules": changed(a.environments, b.environments, "rule") if on_record else [],
            "packages": changed(a.packages, b.packages, "package"),
            "machine": changed(a.machine, b.machine, "name"),
        },
        "data": data_difference(a, b),
        "notes": [f"{name}: {note}" for name, side in (("A", a), ("B", b)) for note in side.notes],
    }


def has_difference(found: dict) -> bool:
    """Whether `difference` found any."""
    lists = [found["config"], *found["code"].values(), *found["environment"].values()]
    return any(lists) or any(found["data"][name] for name in ("different", "only_a", "only_b"))
