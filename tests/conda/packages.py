"""Writes the two kinds of package that the tests install: conda packages and wheels."""

import base64
import csv
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Link:
    """A symbolic link in a conda package."""

    target: str


def _paths_entry(name: str, content: bytes | Link) -> dict:
    data = b"" if isinstance(content, Link) else content
    kind = "softlink" if isinstance(content, Link) else "hardlink"
    return {
        "_path": name,
        "path_type": kind,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": len(data),
    }


def write_conda_package(
    channel: Path, index: Mapping, files: Mapping[str, bytes | Link], entry_points: Iterable[str] = ()
) -> Path:
    """Writes channel/SUBDIR/NAME-VERSION-BUILD.tar.bz2; `index`: these three, version, depends, noarch.

    What lies under bin/ is executable. A noarch Python package has its files below site-packages/.
    """
    listed = [_paths_entry(name, files[name]) for name in sorted(files)]
    about = {
        "info/index.json": {"build_number": 0, **index},
        "info/paths.json": {"paths": listed, "paths_version": 1},
        "info/about.json": {},
    }
    if index.get("noarch") == "python":
        noarch = {"type": "python", "entry_points": list(entry_points)}
        about["info/link.json"] = {"noarch": noarch, "package_metadata_version": 1}
    content = {name: json.dumps(value).encode() for name, value in about.items()}
    content["info/files"] = "".join(f"{name}\n" for name in sorted(files)).encode()
    path = channel / index["subdir"] / f"{index['name']}-{index['version']}-{index['build']}.tar.bz2"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:bz2", compresslevel=1) as archive:
        for name, data in {**content, **files}.items():
            entry = tarfile.TarInfo(name)
            if isinstance(data, Link):
                entry.type, entry.linkname = tarfile.SYMTYPE, data.target
                archive.addfile(entry)
            else:
                entry.size, entry.mode = len(data), 0o755 if name.startswith("bin/") else 0o644
                archive.addfile(entry, io.BytesIO(data))
    return path


def _record_row(name: str, data: bytes) -> tuple[str, str, int]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return name, f"sha256={digest}", len(data)


def _record(rows: Iterable[Iterable], name: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*rows, (name, "", "")])
    return text.getvalue()


def _metadata(name: str, version: str, requires: Iterable[str]) -> str:
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return head + "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)


def write_wheel(directory: Path, name: str, version: str) -> Path:
    """Writes a wheel that holds nothing: `name` counts as installed, and cannot be imported."""
    stem = f"{name.replace('-', '_')}-{version}"
    files = {
        f"{stem}.dist-info/METADATA": _metadata(name, version, ()).encode(),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{stem}.dist-info/RECORD"
    rows = [_record_row(*file) for file in files.items()]
    path = directory / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, data in files.items():
            archive.writestr(file, data)
        archive.writestr(record, _record(rows, record))
    return path


def rename_wheel(wheel: Path, directory: Path, name: str, version: str, requires: Iterable[str]) -> Path:
    """Writes the content of a wheel as the wheel of another distribution, which requires only `requires`."""
    tags = wheel.stem.split("-", 2)[2]
    old, new = "-".join(wheel.stem.split("-")[:2]) + ".dist-info/", f"{name}-{version}.dist-info/"
    path = directory / f"{name}-{version}-{tags}.whl"
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        rows = []
        for file in source.namelist():
            if file in (f"{old}METADATA", f"{old}RECORD") or file.endswith("/"):
                continue
            data, renamed = source.read(file), file.replace(old, new, 1)
            target.writestr(renamed, data)
            rows.append(_record_row(renamed, data))
        metadata = _metadata(name, version, requires)
        target.writestr(f"{new}METADATA", metadata)
        rows.append(_record_row(f"{new}METADATA", metadata.encode()))
        target.writestr(f"{new}RECORD", _record(rows, f"{new}RECORD"))
    return path
