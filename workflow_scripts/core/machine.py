"""What the machine has: GPUs, the CUDA of their driver, CPUs and memory within the container's limits."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
QUERY = ("index", "uuid", "name", "memory.total", "memory.free", "driver_version")
# The first driver branch with a CUDA version, where nvidia-smi does not name that version itself.
FIRST_DRIVER = {(13, 0): 580, (12, 8): 570, (12, 4): 550, (12, 2): 535, (12, 0): 525, (11, 0): 450}
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU as nvidia-smi tells of it; memory in bytes."""

    index: int
    uuid: str
    name: str
    total_bytes: int
    free_bytes: int
    driver: str


def _nvidia_smi(*arguments: str) -> str | None:
    """What nvidia-smi prints; None where it is missing or finds no driver."""
    try:
        result = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True)
    except OSError:
        return None
    return result.stdout if result.returncode == 0 else None


def _bytes(mebibytes: str) -> int:
    """Bytes from what nvidia-smi states; 0 where it cannot say (shared memory, partitioned GPUs)."""
    return int(mebibytes) * MEBIBYTE if mebibytes.isdigit() else 0


def gpus() -> list[Gpu]:
    """The machine's NVIDIA GPUs, those hidden by CUDA_VISIBLE_DEVICES included; empty without one."""
    listing = _nvidia_smi(f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits") or ""
    found = []
    for line in filter(None, map(str.strip, listing.splitlines())):
        index, uuid, name, total, free, driver = (part.strip() for part in line.split(","))
        found.append(Gpu(int(index), uuid, name, _bytes(total), _bytes(free), driver))
    return found


def visible_gpus() -> dict[str, Gpu]:
    """The GPUs that a process may use, by the name that CUDA_VISIBLE_DEVICES gives each (index or UUID).

    Without the variable all, by index. As in CUDA, what follows a name that no GPU has does not count.
    """
    found, named = gpus(), os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return {str(gpu.index): gpu for gpu in found}
    visible = {}
    for name in (part.strip() for part in named.split(",")):
        matching = [gpu for gpu in found if name == str(gpu.index) or (name and gpu.uuid.startswith(name))]
        if not matching:
            break
        visible[name] = matching[0]
    return visible


def cuda_version() -> tuple[int, int] | None:
    """The newest CUDA that the driver runs, as nvidia-smi names it, else by the driver's branch."""
    found = re.search(r"CUDA(?: UMD)? Version\s*:\s*(\d+)\.(\d+)", _nvidia_smi() or "")
    if found:
        return int(found[1]), int(found[2])
    branches = [int(gpu.driver.split(".")[0]) for gpu in gpus()]
    fitting = [version for version, first in FIRST_DRIVER.items() if branches and branches[0] >= first]
    return max(fitting, default=None)


def _number_in(path: Path) -> int | None:
    """The number that a file of the control group holds; None where it is absent or says no limit."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _quota_cpus(cgroup: Path) -> float:
    """CPUs that the container's quota allows (cgroup v2, then v1); infinite where there is none."""
    try:
        quota, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        quota = str(_number_in(cgroup / "cpu/cpu.cfs_quota_us") or "max")
        period = str(_number_in(cgroup / "cpu/cpu.cfs_period_us") or 100000)
    return int(quota) / int(period) if quota.isdigit() else float("inf")


def cpu_count(cgroup: Path = CGROUP) -> int:
    """CPUs to use: the least of what the pod states, its quota, and the processors it may run on; at least 1.

    A container sees all processors of its host, and a pod is a share of one.
    """
    stated = os.environ.get("RUNPOD_CPU_COUNT", "")
    limits = [float(len(os.sched_getaffinity(0))), _quota_cpus(cgroup)]
    limits += [float(stated)] if stated.isdigit() else []
    return max(1, int(min(limits)))


def gpu_count() -> int:
    """How many jobs may load a model at once: one for each visible GPU; 1 where there is none."""
    return max(1, len(visible_gpus()))


def available_memory(cgroup: Path = CGROUP) -> int:
    """Bytes of memory that can still be had, within the container's limit (cgroup v2, then v1)."""
    free = [psutil.virtual_memory().available]
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        most, taken = _number_in(cgroup / limit), _number_in(cgroup / used)
        if most is not None and taken is not None:
            # Files in the page cache count as taken, and are given up on demand.
            free.append(most - taken + _reclaimable(cgroup / Path(limit).parent))
    return max(0, min(free))


def _reclaimable(directory: Path) -> int:
    try:
        text = (directory / "memory.stat").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^(?:total_)?inactive_file (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0
