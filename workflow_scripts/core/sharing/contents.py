"""What goes into the archive of a run, under which name; and what is left out, with its digest."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from workflow_scripts.core import manifests, seals
from workflow_scripts.core.budget.dropping import RECORD
from workflow_scripts.core.code_digest import PROJECT_ROOT
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_file
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.manifests import Places
from workflow_scripts.core.outputs import json_text
from workflow_scripts.core.sharing.privacy import shared_session
from workflow_scripts.core.verification import tokenizers, workplace

LIST = "share.json"
ADAPTERS = "adapter_model.safetensors"


@dataclass
class Contents:
    """Files by their names in the archive: those that are copied and those that are written anew."""

    copied: dict[str, Path] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, dict] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted({*self.copied, *self.written})


def _run_files(
    contents: Contents, manifest: dict, places: Places, inner: Places, with_adapters: bool
) -> None:
    for name, listed in manifest["files"].items():
        path = places.path_of(name)
        if name.endswith(ADAPTERS) and not with_adapters:
            contents.left_out[name] = listed
        elif not path.is_file() or sha256_file(path) != listed["sha256"]:
            remedy = "this file is not as the manifest lists it: let make verify say what is wrong first"
            raise InputError(file=path, field="sha256", value="other or absent", remedy=remedy)
        else:
            contents.copied[inner.path_of(name).as_posix()] = path
    for name in (manifests.NAME, f"budget/{RECORD}"):
        path = Path(places.results) / name
        if path.is_file():
            contents.copied[f"results/{name}"] = path


def _given_files(contents: Contents, sources: workplace.Sources) -> None:
    """Prompts, tasks, lists and templates; the modules are those of the project's commit."""
    for name, path in sources.given.items():
        is_code = PurePosixPath(name).is_relative_to("workflow_scripts")
        if not is_code and not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts:
            contents.copied[name] = path
    for name in sources.missing:
        if not name.startswith("workflow_scripts/"):
            contents.notes.append(
                f"{name}: the file that the run used is not here any more, so it is not packed"
            )


def _tokenizer(contents: Contents, identity: dict, root: Path, base: Path | None) -> None:
    folder = tokenizers.find_tokenizer(identity, root, base)
    if folder is None:
        contents.notes.append(
            "the base's tokenizer is not on this machine: prompts cannot be checked in the copy"
        )
        return
    for name in tokenizers.needed_files(identity):
        contents.copied[f"{tokenizers.BESIDE}/{name}"] = folder / name


def _sessions(contents: Contents, places: Places, inner: Places) -> list[dict]:
    """Adds the sessions without what tells of the machine's owner; returns them in order."""
    paths = sorted((Path(places.results) / "sessions").glob("*.json"))
    sessions = [read_json(path) for path in paths]
    hosts = {}
    for path, session in zip(paths, sessions, strict=True):
        host = hosts.setdefault(session["machine"]["host"], f"host-{len(hosts) + 1}")
        shared = seals.sealed(shared_session(session, host, inner))
        contents.written[f"results/sessions/{path.name}"] = json_text(shared)
    return sessions


def gather(results: Path, with_adapters: bool) -> tuple[Contents, dict, list[dict]]:
    """(contents, manifest, sessions as recorded) of a run. InputError where a file is not as listed."""
    places, manifest = manifests.find_places(results), manifests.read_manifest(results)
    sources = workplace.find_sources(manifest, places)
    contents = Contents()
    _run_files(contents, manifest, places, sources.inner, with_adapters)
    _given_files(contents, sources)
    identity = read_json(results / "base/model.json")
    _tokenizer(contents, identity, results.resolve().parent, sources.base)
    sessions = _sessions(contents, places, sources.inner)
    contents.copied["LICENSE"] = PROJECT_ROOT / "LICENSE"
    return contents, manifest, sessions


def list_of(folder: Path, contents: Contents) -> dict:
    """share.json: every other file of the archive with its digest, and what was left out. Sealed."""
    described = {name: manifests.describe(folder / name) for name in contents.names}
    return seals.sealed({"files": described, "left_out": contents.left_out})
