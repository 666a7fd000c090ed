"""The RO-Crate description of an archive: its files with digests, and the run that made them."""

from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.manifests import describe

METADATA = "ro-crate-metadata.json"
VERSION = "1.1"
FORMATS = {
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".safetensors": "application/octet-stream",
}
LICENCES = "https://spdx.org/licenses/"


def _library():
    try:
        from rocrate.model.contextentity import ContextEntity
        from rocrate.rocrate import ROCrate
    except ImportError:
        remedy = "install what sharing needs: make share does, or pip install -r requirements-share.txt"
        raise InputError(field="rocrate", value="absent", remedy=remedy) from None
    return ROCrate, ContextEntity


def description(folder: Path, names: list[str], title: str, licence: str, sessions: list[dict]) -> dict:
    """The JSON-LD of a crate over the named files of a folder. The time is that of the last session's end."""
    make_crate, make_entity = _library()
    crate = make_crate(version=VERSION)
    ended = [session["end"] for session in sessions if session["end"]]
    crate.name = title
    crate.description = (
        "Every record, prompt, response, score, statistic, gate and page of one run of cai-bootstrap: a base"
        " model trained on data that it wrote and judged itself, and compared with itself before."
    )
    crate.datePublished = max(ended, default="1980-01-01T00:00:00+00:00")
    address = f"{LICENCES}{licence_id(licence)}"
    known = make_entity(crate, address, properties={"@type": "CreativeWork", "name": licence})
    crate.license = crate.add(known)
    files = [
        crate.add_file(str(folder / name), dest_path=name, properties=_file(folder / name)) for name in names
    ]
    commits = sorted({session["git_commit"] for session in sessions if session["git_commit"]})
    software = crate.add(
        make_entity(
            crate,
            "#cai-bootstrap",
            properties={
                "@type": "SoftwareApplication",
                "name": "cai-bootstrap",
                "version": ", ".join(commits),
            },
        )
    )
    made = [
        file for name, file in zip(names, files, strict=True) if name.startswith(("results/", "reports/"))
    ]
    given = [file for file in files if file not in made]
    crate.add_action(
        software,
        identifier="#run",
        object=given,
        result=made,
        properties={"@type": "CreateAction", "name": "the run", "endTime": crate.datePublished.isoformat()},
    )
    return crate.metadata.generate()


def licence_id(licence: str) -> str:
    """SPDX's name for a licence of the hub, where they differ in case alone."""
    return {"apache-2.0": "Apache-2.0", "mit": "MIT", "cc-by-4.0": "CC-BY-4.0"}.get(licence, licence)


def _file(path: Path) -> dict:
    described = describe(path)
    kind = {"encodingFormat": FORMATS[path.suffix]} if path.suffix in FORMATS else {}
    return {"sha256": described["sha256"], "contentSize": str(described["bytes"]), **kind}
