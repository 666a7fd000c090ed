"""Where things go, before money is spent: conda, free disks, a volume that keeps what it gets."""

import os
import shutil
import time
from collections import defaultdict
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.preflight import GIGABYTE, Situation, gigabytes

ENVIRONMENT_BYTES = 30 * GIGABYTE  # three environments, two of them with torch and CUDA's libraries
RECORDS_BYTES = 1 * GIGABYTE  # records, adapters, checkpoints, reports
TEST_BYTES = 64 * 2**20


def check_conda(situation: Situation) -> str:
    """Conda is there, where jobs are to run in its environments."""
    if situation.environments is None:
        return "not used"
    found = shutil.which("conda")
    if found is None:
        remedy = "run profiles/runpod/bootstrap.sh, then source profiles/runpod/environment.sh"
        raise InputError(field="conda", value="not on PATH", remedy=remedy)
    return f"{found}, environments in {situation.environments}"


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def _models_to_make(situation: Situation) -> int:
    """Merged models that are not there yet: sft, its longer control, and one for each DPO variant."""
    names = ["sft", "sft-longer", *[f"dpo-{variant}" for variant in situation.settings["dpo"]["variants"]]]
    return sum(not (situation.results / "models" / f"{name}-merged.json").exists() for name in names)


def check_disk(situation: Situation, download_bytes: float) -> str:
    """Free space for what is still to come: download, merged models, environments, each on its disk."""
    from huggingface_hub.constants import HF_HUB_CACHE

    models = _models_to_make(situation)
    made = models * situation.weight_bytes + RECORDS_BYTES
    wanted = [
        (situation.results, made, f"{models} merged models and records"),
        (Path(HF_HUB_CACHE), download_bytes, "download"),
    ]
    if situation.environments and not any(situation.environments.glob("*/conda-meta")):
        wanted.append((situation.environments, ENVIRONMENT_BYTES, "environments"))
    by_disk = defaultdict(list)
    for path, needed, purpose in wanted:
        by_disk[_existing(path).stat().st_dev].append((path, needed, purpose))
    lines = []
    for parts in by_disk.values():
        path, needed = parts[0][0], sum(part[1] for part in parts)
        free = shutil.disk_usage(_existing(path)).free
        purposes = ", ".join(f"{purpose} {gigabytes(part)}" for _, part, purpose in parts if part)
        if free < needed:
            remedy = (
                f"{gigabytes(needed)} are needed ({purposes}): free some, or take a larger disk or volume"
            )
            raise InputError(file=path, field="disk", value=f"{gigabytes(free)} free", remedy=remedy)
        lines.append(f"{gigabytes(free)} free at {path} ({purposes})")
    return "; ".join(lines)


def mount_point(path: Path) -> Path:
    """Where the file system that holds a path is mounted."""
    path = _existing(path).resolve()
    return next(place for place in (path, *path.parents) if place.is_mount())


def check_volume(situation: Situation) -> str:
    """Results lie where they survive the pod, and a file written there is whole and on the disk.

    A quota does not show in the free space of a network volume: only a write finds it.
    """
    place = _existing(situation.results)
    if os.environ.get("RUNPOD_POD_ID") and mount_point(place) == Path("/"):
        remedy = "this is the container's disk, which is lost with the pod: clone to the volume (/workspace)"
        raise InputError(file=situation.results, field="volume", remedy=remedy)
    file, block = place / f".preflight-{os.getpid()}", os.urandom(2**20)
    try:
        start = time.monotonic()
        with file.open("wb") as output:
            for _ in range(TEST_BYTES // len(block)):
                output.write(block)
            output.flush()
            os.fsync(output.fileno())
        rate = TEST_BYTES / 1e6 / (time.monotonic() - start)
        if file.read_bytes() != block * (TEST_BYTES // len(block)):
            remedy = "what was written is not what is read: do not use this volume"
            raise InputError(file=place, field="write test", remedy=remedy)
    except OSError as error:
        remedy = "the volume is full, over its quota, or may not be written: free space on it, or enlarge it"
        raise InputError(file=place, field="write test", value=error.strerror, remedy=remedy) from None
    finally:
        file.unlink(missing_ok=True)
    return f"{TEST_BYTES // 10**6} MB written to {place} and read back, {rate:.0f} MB/s"
