"""What must hold before money is spent: GPU, driver, memory, disk, volume, model, price. One line each.

Each check returns what it found, or raises an InputError that says what to do. Sizes come from the plan
(results/budget/plan.json): what is needed is worked out once, there.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.core import hub_access, machine
from workflow_scripts.core.budget.catalogue import Catalogue
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.memory import inference, training
from workflow_scripts.core.model_files import check_weights, loaded_files

GIGABYTE = 1e9
# torch 2.13.0 and vllm 0.32.0 are built for CUDA 13 (tests/test_preflight.py asks the package index).
PINNED_CUDA = (13, 0)
ENVIRONMENT_BYTES = 30 * GIGABYTE  # three environments, two of them with torch and CUDA's libraries
RECORDS_BYTES = 1 * GIGABYTE  # records, adapters, checkpoints, reports
HOST_BYTES = 4 * GIGABYTE  # a job beside the weights that it holds
NOMINAL = 0.98  # a card with this share of its nominal memory is the card of the catalogue
SAME_PRICE = 0.01
TEST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Situation:
    """What is looked at. `settings`: the slices base_model and dpo; `plan`: plan.json; `environments`: where
    conda environments go, None where the run uses none."""

    settings: dict
    plan: dict
    catalogue: Catalogue
    results: Path
    environments: Path | None

    @property
    def gpu(self):
        """The catalogue's entry that the run is planned and paid for."""
        return self.catalogue.gpu(self.plan["gpu"]["id"])

    @property
    def weight_bytes(self) -> float:
        """The whole model as it is stored: 16 bits a weight, 32 where the run is in 32."""
        each = 4 if self.plan["model"]["precision"]["generation"] == "float32" else 2
        return self.plan["model"]["parameters"] * each

    @property
    def gpu_bytes(self) -> float:
        """What a GPU must have free, for generation or for the larger training, with room for fragments."""
        precision, terms = self.plan["model"]["precision"], self.plan["memory_gb"]
        needs = [terms["generation"][precision["generation"]]["total"] / inference.UTILISATION]
        trainings = [run[precision["training"]]["total"] for run in terms["training"].values()]
        return max(*needs, *(total / training.UTILISATION for total in trainings)) * GIGABYTE


def _gb(value: float) -> str:
    return f"{value / GIGABYTE:.1f} GB"


def _words(text: str) -> set[str]:
    """The words of a GPU's name, its memory left out."""
    return {word for word in re.findall(r"[a-z0-9]+", text.lower()) if not re.fullmatch(r"\d+gb", word)}


def check_gpu(situation: Situation) -> str:
    """GPUs of the planned kind, a driver that runs the pinned CUDA, enough free memory on each."""
    planned = situation.gpu
    found = machine.visible_gpus()
    if planned.virtual:
        return f"none needed ({planned.name})"
    if not found:
        remedy = f"nvidia-smi finds none: take a machine with the planned one ({planned.name})"
        raise InputError(field="GPU", value="none", remedy=remedy)
    for gpu in found.values():
        is_smaller = gpu.total_bytes < planned.memory_gb * GIGABYTE * NOMINAL
        if is_smaller or not _words(planned.name) <= _words(gpu.name):
            value = f"{gpu.name}, {_gb(gpu.total_bytes)}"
            remedy = (
                f"the run is planned and priced for another ({planned.name}): name this one in budget.gpu"
            )
            raise InputError(field="GPU", value=value, remedy=remedy)
    cuda = machine.cuda_version()
    if cuda is None or cuda < PINNED_CUDA:
        wanted = ".".join(map(str, PINNED_CUDA))
        remedy = (
            f"the pinned packages need CUDA {wanted} or newer (driver {machine.FIRST_DRIVER[PINNED_CUDA]}):"
            f" take a machine with a newer driver (runpodctl pod create --min-cuda-version {wanted})"
        )
        driver = next(iter(found.values())).driver
        value = f"driver {driver}, CUDA {'.'.join(map(str, cuda)) if cuda else 'unknown'}"
        raise InputError(field="CUDA", value=value, remedy=remedy)
    for name, gpu in found.items():
        if gpu.free_bytes < situation.gpu_bytes:
            value = f"{_gb(gpu.free_bytes)} free of {_gb(gpu.total_bytes)} on GPU {name}"
            remedy = f"{_gb(situation.gpu_bytes)} are needed: end what else uses it, or take a larger GPU"
            raise InputError(field="GPU memory", value=value, remedy=remedy)
    first = next(iter(found.values()))
    free = min(gpu.free_bytes for gpu in found.values())
    return (
        f"{len(found)} x {first.name}, {_gb(free)} free ({_gb(situation.gpu_bytes)} needed), CUDA"
        f" {'.'.join(map(str, cuda))} (driver {first.driver})"
    )


def check_memory(situation: Situation) -> str:
    """Enough memory of the host to merge an adapter, which is done on the CPU."""
    available, needed = machine.available_memory(), situation.weight_bytes + HOST_BYTES
    if available < needed:
        remedy = f"{_gb(needed)} are needed to merge an adapter: take a machine with more memory"
        raise InputError(field="memory", value=f"{_gb(available)} available", remedy=remedy)
    return f"{_gb(available)} available ({_gb(needed)} needed)"


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
        purposes = ", ".join(f"{purpose} {_gb(part)}" for _, part, purpose in parts if part)
        if free < needed:
            remedy = f"{_gb(needed)} are needed ({purposes}): free some, or take a larger disk or volume"
            raise InputError(file=path, field="disk", value=f"{_gb(free)} free", remedy=remedy)
        lines.append(f"{_gb(free)} free at {path} ({purposes})")
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


def check_model(situation: Situation) -> tuple[str, float]:
    """The model is here or can be downloaded with this token. Returns the line, and the bytes to download."""
    base = situation.settings["base_model"]
    if base["path"]:
        check_weights(Path(base["path"]))
        size = sum(file.stat().st_size for file in loaded_files(base["path"]))
        return f"{base['path']}, {_gb(size)}", 0.0
    found = hub_access.access(base["repo"], base["revision"])
    name = f"{base['repo']}@{base['revision'][:8]}"
    if found.directory:
        return f"{name} is in the cache", 0.0
    return f"{name} can be downloaded, {_gb(found.download_bytes)}", float(found.download_bytes)


def pod_price() -> float | None:
    """What this pod costs an hour and GPU, by runpodctl; None where it does not say."""
    pod = os.environ.get("RUNPOD_POD_ID")
    if not pod:
        return None
    command = ["runpodctl", "pod", "get", pod, "--output", "json"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        price = float(json.loads(answer)["costPerHr"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return price / max(1, len(machine.gpus()))


def check_price(situation: Situation) -> str:
    """The planned price is the pod's, where that is known, and the cap pays for what is not optional."""
    plan, real = situation.plan, pod_price()
    planned, cap = plan["gpu"]["dollars_per_hour"], plan["cap"]
    if real is not None and abs(real - planned) > SAME_PRICE * planned:
        remedy = f"this pod costs ${real:g} an hour for each GPU: give that as budget.price"
        raise InputError(file="config", field="budget.price", value=planned, remedy=remedy)
    core, everything = plan["total"]["core"]["dollars"], plan["total"]["all"]["dollars"]
    if cap is not None and core["low"] > cap:
        remedy = f"it costs ${core['low']:.2f} at least, without what is optional: raise the cap, or do less"
        raise InputError(file="config", field="budget.cap", value=cap, remedy=remedy)
    source = "as this pod says" if real is not None else "as the catalogue or budget.price says"
    limit = f", cap ${cap:g}" if cap is not None else ", no cap"
    return (
        f"${planned:g} an hour, {source}; ${everything['low']:.2f} to ${everything['high']:.2f} in all{limit}"
    )
