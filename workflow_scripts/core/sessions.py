"""One file per run of the workflow, for what differs between identical runs: time, machine, files made.

In a Snakefile:

    onstart:
        session = sessions.start_session(
            "results/sessions",
            config=config,
            planned=sessions.planned_files(workflow),
            jobs=sessions.planned_jobs(workflow),
        )
    onsuccess:
        sessions.finish_session(session, "completed")
"""

import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from workflow_scripts.core.hashing import canonical_json, sha256_file, sha256_text, sha256_tree
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.provenance import git_state
from workflow_scripts.core.seals import sealed

HASHED_BYTES = 200 * 10**6  # like Snakemake's own checksums: larger files are listed by size alone


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _gpus() -> list[dict]:
    """Name, memory in MiB and driver of each NVIDIA GPU; empty without one."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []
    return [dict(zip(("name", "memory_mib", "driver"), line.split(", "), strict=True)) for line in lines]


def _machine() -> dict:
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": _gpus(),
    }


def planned_files(workflow) -> list[str]:
    """Outputs of the jobs that Snakemake is about to run, sorted; to be called in `onstart`."""
    jobs = workflow.dag.needrun_jobs()
    return sorted({str(output) for job in jobs for output in job.output})


def planned_jobs(workflow) -> int:
    """How many jobs Snakemake is about to run; a rule that only names files is none. As `planned_files`."""
    return sum(bool(job.output) for job in workflow.dag.needrun_jobs())


def start_session(directory, *, config: dict, planned: Iterable[str], jobs: int) -> Path:
    """Writes `directory/SESSION.json` with what is known at the start, and returns its path.

    SESSION is the UTC time and the process id. The overrides are those of the config's gates.
    """
    start = _now()
    name = f"{start[:19].replace(':', '').replace('-', '')}Z-{os.getpid()}"
    packages = {item.name: item.version for item in importlib.metadata.distributions()}
    content = {
        "session": name,
        "status": "running",
        "start": start,
        "end": None,
        "command": sys.argv,
        "config": config,
        "config_sha256": sha256_text(canonical_json(config)),
        "overrides": config.get("overrides", {}),
        "machine": _machine(),
        "packages": packages,
        "planned": sorted(planned),
        "planned_jobs": jobs,
        "made": {},
        **git_state(),
    }
    path = Path(directory) / f"{name}.json"
    with guarded(path) as (temporary,):
        write_json(temporary, sealed(content))
    return path


def _describe(path: Path) -> dict:
    if path.is_dir():
        return {"files": sha256_tree(path)}
    size = path.stat().st_size
    return {"bytes": size, "sha256": sha256_file(path) if size <= HASHED_BYTES else None}


def finish_session(path, status: str) -> None:
    """Completes a session's file with the end, the status, and the planned files that were made."""
    content = read_json(path)
    start = datetime.datetime.fromisoformat(content["start"]).timestamp()
    planned = [Path(name) for name in content["planned"]]
    made = [file for file in planned if file.exists() and file.stat().st_mtime >= start]
    content |= {"status": status, "end": _now(), "made": {str(file): _describe(file) for file in made}}
    with guarded(path) as (temporary,):
        write_json(temporary, sealed(content))
