"""Every file against what is on record of it: in the manifest, the sessions, the lists of merged models."""

import json
from collections import Counter
from pathlib import Path

from workflow_scripts.core import seals
from workflow_scripts.core.hashing import sha256_file
from workflow_scripts.core.manifests import NAME, Places
from workflow_scripts.core.verification.findings import Finding, Unchecked

PAGE_DIGEST = "report.html.sha256"
SHARE = "share.json"


def _sealed_file(path: Path, name: str) -> tuple[dict | None, list[Finding]]:
    """A sealed file's content (None when it cannot be read), and what is wrong with it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        broken = seals.broken_seal(path, content)
    except (ValueError, AttributeError, TypeError) as error:
        return None, [Finding(name, "content", "sealed JSON", str(error), "the file cannot be read")]
    return content, [Finding(name, *broken, "its own seal")] if broken else []


def check_manifest(places: Places) -> list[Finding]:
    """The manifest's own seal."""
    return _sealed_file(Path(places.results) / NAME, f"results/{NAME}")[1]


def read_share(places: Places) -> tuple[dict, list[Finding]]:
    """({name: digest} that an archive left out, what is wrong with its own list), in an archive."""
    root = Path(places.results).resolve().parent
    if not (root / SHARE).is_file():
        return {}, []
    content, found = _sealed_file(root / SHARE, SHARE)
    if content is None or found:
        return {}, found
    for name, listed in sorted(content["files"].items()):
        actual = sha256_file(root / name) if (root / name).is_file() else "absent"
        if actual != listed["sha256"]:
            found.append(Finding(name, "sha256", listed["sha256"], actual, f"digest in {SHARE}"))
    return content["left_out"], found


def check_files(manifest: dict, places: Places, left_out: dict, progress) -> list[Finding]:
    """Every listed file is there, with the listed bytes. In order of the names."""
    found = []
    for name, listed in sorted(manifest["files"].items()):
        path = places.path_of(name)
        if not path.is_file() and left_out.get(name) == listed:
            pass
        elif not path.is_file():
            found.append(Finding(name, "file", f"{listed['bytes']} bytes", "absent", "the manifest lists it"))
        elif (digest := sha256_file(path)) != listed["sha256"]:
            found.append(Finding(name, "sha256", listed["sha256"], digest, "digest in the manifest"))
        progress.advance()
    return found


def check_merged(manifest: dict, places: Places) -> tuple[list[Finding], list[Unchecked]]:
    """The files of every merged model against the list beside it; a model that is not there is named."""
    found, unchecked = [], []
    for name in sorted(manifest["files"]):
        if not name.endswith("-merged.json"):
            continue
        directory = places.path_of(name).with_suffix("")
        label = name.removesuffix(".json")
        if not directory.is_dir():
            unchecked.append(Unchecked(f"{label}/", "the merged weights are not in this copy"))
            continue
        try:
            listed = json.loads(places.path_of(name).read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError):
            continue  # the list itself was changed, which its own digest shows
        for file, digest in sorted(listed.items()):
            path = directory / file
            actual = sha256_file(path) if path.is_file() else "absent"
            if actual != digest:
                found.append(Finding(f"{label}/{file}", "sha256", digest, actual, f"digest in {name}"))
    return found, unchecked


def read_sessions(places: Places) -> tuple[dict[str, dict], list[Finding]]:
    """The readable sessions by name in order of their start, and the seals that are broken."""
    sessions, found = {}, []
    for path in sorted((Path(places.results) / "sessions").glob("*.json")):
        content, wrong = _sealed_file(path, f"results/sessions/{path.name}")
        found += wrong
        if content is not None and not wrong:
            sessions[path.name] = content
    return sessions, found


def made_by_sessions(sessions: dict[str, dict]) -> dict[str, tuple[str, str]]:
    """{file: (digest, session)} of what each file was when a session last made it.

    A session that was killed says nothing of the files that it planned: they may be older or newer.
    """
    known = {}
    for name, session in sorted(sessions.items(), key=lambda entry: entry[1]["start"]):
        where = session["config"].get("pathvars", {})
        places = Places(where.get("results", "results"), where.get("reports", "reports"))

        def listed(path, places=places):
            try:
                return places.name_of(path)
            except ValueError:
                return None

        for path in session["planned"]:
            known.pop(listed(path), None)
        for path, made in session["made"].items():
            if made.get("sha256") and listed(path):
                known[listed(path)] = (made["sha256"], name)
    return known


def check_sessions(manifest: dict, sessions: dict[str, dict]) -> list[Finding]:
    """What the sessions say they made is what the manifest lists."""
    found = []
    for name, (digest, session) in sorted(made_by_sessions(sessions).items()):
        listed = manifest["files"].get(name, {}).get("sha256")
        if listed not in (None, digest):
            check = f"digest in results/sessions/{session}"
            found.append(Finding(name, "sha256", digest, listed, check))
    return found


def check_page(places: Places) -> tuple[list[Finding], list[Unchecked]]:
    """Snakemake's own report against the digest that was written beside it."""
    page, digest = Path(places.reports) / "report.html", Path(places.reports) / PAGE_DIGEST
    if not page.is_file():
        return [], []
    if not digest.is_file():
        return [], [Unchecked("reports/report.html", f"reports/{PAGE_DIGEST} is not there (make report)")]
    listed, actual = digest.read_text(encoding="utf-8").split()[:1], sha256_file(page)
    if listed == [actual]:
        return [], []
    check = f"digest in reports/{PAGE_DIGEST}"
    return [Finding("reports/report.html", "sha256", "".join(listed) or "absent", actual, check)], []


def unlisted(manifest: dict, places: Places) -> list[str]:
    """Folders with files that nothing above covers, and how many; hidden ones left out. Sorted.

    Captions and templates are the project's own: those that the run used are given files.
    """
    merged = tuple(
        f"{name.removesuffix('.json')}/" for name in manifest["files"] if name.endswith("-merged.json")
    )
    covered = {*manifest["files"], *manifest["given"], f"results/{NAME}"}
    covered |= {"reports/report.html", f"reports/{PAGE_DIGEST}"}
    found = set()
    for folder in {Path(places.results), Path(places.reports)}:
        for path in folder.rglob("*"):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
                found.add(places.name_of(path))
    elsewhere = ("results/sessions/", "reports/captions/", "reports/templates/", *merged)
    apart = sorted(name for name in found - covered if not name.startswith(elsewhere))
    folders = Counter(name.rpartition("/")[0] for name in apart)
    return [f"{folder}/: {count} file{'s' if count > 1 else ''}" for folder, count in folders.items()]
