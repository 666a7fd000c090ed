"""Ways to spoil a finished run: one byte, or one value with every digest made to fit again."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow_scripts.core import manifests, seals
from workflow_scripts.core.outputs import write_json


def copy_run(run: Path, target: Path) -> Path:
    """A copy of a run's directory."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(run), str(target)], check=True)
    return target


def run_files(run: Path) -> list[Path]:
    """Every file of a run that a reader may rely on: results and pages."""
    files = [path for path in (run / "results").rglob("*") if path.is_file()]
    hidden = [path for path in files if any(part.startswith(".") for part in path.relative_to(run).parts)]
    pages = (run / "reports").glob("*.html")
    return sorted({*files, *pages} - {*hidden})


def flip_byte(path: Path) -> None:
    """Flips the lowest bit of the byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def change_record(path: Path, row: int, column: str, change) -> None:
    """Changes one value of a record file; schema and everything else stay."""
    table = pq.read_table(path)
    values = table.column(column).to_pylist()
    values[row] = change(values[row])
    place = table.schema.get_field_index(column)
    changed = table.set_column(
        place, table.schema.field(column), pa.array(values, table.schema.field(column).type)
    )
    pq.write_table(changed, path, compression="zstd")


def change_json(path: Path, way: str, change) -> None:
    """Changes one value, by its way of keys and places joined by slashes."""
    content = json.loads(path.read_text(encoding="utf-8"))
    *steps, last = [int(step) if step.isdigit() else step for step in way.split("/")]
    inner = content
    for step in steps:
        inner = inner[step]
    inner[last] = change(inner[last])
    write_json(path, content)


def make_digests_fit(run: Path) -> None:
    """Writes manifest and sessions anew for the files as they are: what somebody who cheats would do."""
    places = manifests.Places(run / "results", run / "reports")
    manifest = manifests.read_manifest(run / "results")
    manifest["files"] = {name: manifests.describe(places.path_of(name)) for name in manifest["files"]}
    write_json(run / "results/manifest.json", seals.sealed(manifest))
    for path in (run / "results/sessions").glob("*.json"):
        session = json.loads(path.read_text(encoding="utf-8"))
        for name, made in session["made"].items():
            if "sha256" in made:
                session["made"][name] = manifests.describe(run / name)
        write_json(path, seals.sealed(session))


def run_module(run: Path, module: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs a command-line module in the copy of the sources beside the run."""
    command = [sys.executable, "-m", f"workflow_scripts.{module}", *map(str, arguments)]
    return subprocess.run(command, cwd=run, capture_output=True, text=True)
