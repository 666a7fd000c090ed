"""A place to compute a run's files again: links to its files and the project's, so that neither is changed.

Files that the run was given (prompts, tasks, templates) are taken where their bytes are those on record: from
beside the results, as in an archive of a run, or from this project.
"""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from workflow_scripts.core.code_digest import PROJECT_ROOT
from workflow_scripts.core.hashing import sha256_file
from workflow_scripts.core.manifests import Places
from workflow_scripts.core.verification.tokenizers import BESIDE

PROJECT_PARTS = ("Snakefile", "rules", "envs", "workflow_scripts", "config/schemas")
STAND_INS = ("config.json", "model.safetensors")


@dataclass(frozen=True)
class Sources:
    """The run, what it was given (its files' names and where they lie now), and what of that is nowhere.

    `base`: the folder of a local base; `beside`: where an archive of a run carries the base's tokenizer and
    config.json.
    """

    places: Places
    given: dict[str, Path]
    missing: dict[str, str]
    base: Path | None
    base_files: tuple[str, ...] = STAND_INS
    beside: Path | None = None

    @property
    def inner(self) -> Places:
        """Where the run's folders lie in the place: as they lie to each other in the run."""
        inside = Path(self.places.reports).is_relative_to(Path(self.places.results))
        return Places("results", "results/reports" if inside else "reports")


def find_sources(manifest: dict, places: Places) -> Sources:
    """Looks for everything that the run was given, by its digest."""
    roots = [Path(places.results).resolve().parent, PROJECT_ROOT]
    given, missing = {}, {}
    for name, listed in sorted(manifest["given"].items()):
        candidates = [path for root in roots if (path := root / name).is_file()]
        right = [path for path in candidates if sha256_file(path) == listed["sha256"]]
        if right:
            given[name] = right[0]
        else:
            missing[name] = "another file has this name now" if candidates else "it is not there"
    path = manifest["config"]["base_model"]["path"]
    bases = [root / path for root in roots if path and (root / path).is_dir()]
    base = bases[0] if bases else None
    return Sources(places, given, missing, base, _base_files(places), roots[0] / BESIDE)


def _base_files(places: Places) -> tuple[str, ...]:
    """The names of the base's files as far as they are on record."""
    try:
        text = (Path(places.results) / "base/model.json").read_text(encoding="utf-8")
        return tuple(json.loads(text)["files"])
    except (OSError, ValueError, KeyError):
        return STAND_INS


def _link(target: Path, source: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


def _link_tree(target: Path, source: Path, skip: Path | None = None) -> None:
    """Links every file below a directory, hidden ones left out."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and not hidden and not (skip and path.is_relative_to(skip)):
            _link(target / relative, path)


def build(root: Path, sources: Sources, config: dict) -> None:
    """Makes the place below `root`: the project's code, what was given, the run's config and its files."""
    for name in PROJECT_PARTS:
        _link(root / name, PROJECT_ROOT / name)
    for name, path in sources.given.items():
        if not PurePosixPath(name).is_relative_to("workflow_scripts"):
            _link(root / name, path)
    inner = sources.inner
    pathvars = {
        "results": inner.results,
        "reports": inner.reports,
        "logs": "logs",
        "benchmarks": "benchmarks",
    }
    (root / "config").mkdir(exist_ok=True)
    text = yaml.safe_dump({**config, "pathvars": pathvars}, allow_unicode=True)
    (root / "config/config.yaml").write_text(text, encoding="utf-8")
    for folder in ("config", "resources"):
        for origin in (Path(sources.places.results).resolve().parent, PROJECT_ROOT):
            _link_missing(root / folder, origin / folder)
    if config["base_model"]["path"]:
        _place_base(root / config["base_model"]["path"], sources)
    outer = sources.places
    _link_tree(root / inner.results, Path(outer.results), skip=Path(outer.reports))
    for path in Path(outer.reports).glob("*"):
        if path.is_file():
            _link(root / inner.reports / path.name, path)


def _link_missing(target: Path, source: Path) -> None:
    """Links the files below a directory that are not in the place yet; links are not entered again."""
    for path in sorted(source.rglob("*")) if source.is_dir() else []:
        place = target / path.relative_to(source)
        inside_link = any(parent.is_symlink() for parent in place.parents)
        if path.is_file() and not inside_link and not place.exists():
            _link(place, path)


def _place_base(target: Path, sources: Sources) -> None:
    """Links the base's files; a stand-in for each that is not here, as jobs are listed by names alone."""
    target.mkdir(parents=True, exist_ok=True)
    folders = [folder for folder in (sources.base, sources.beside) if folder and folder.is_dir()]
    for path in [path for folder in folders for path in sorted(folder.iterdir())]:
        if path.is_file() and not (target / path.name).exists():
            _link(target / path.name, path)
    for name in sources.base_files:
        if not (target / name).exists():
            (target / name).write_text("" if name.endswith(".safetensors") else '{"model_type": "absent"}')
