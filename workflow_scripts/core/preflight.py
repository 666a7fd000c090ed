"""What must hold before money is spent: GPU, driver, memory, model, price (and see `preflight_storage`).

Each check returns what it found, or raises an InputError that says what to do. Sizes come from the plan
(results/budget/plan.json): what is needed is worked out once, there.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.core import hub_access, machine
from workflow_scripts.core.budget.catalogue import Catalogue, Gpu
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.memory import inference, training
from workflow_scripts.core.model_files import check_weights, loaded_files

GIGABYTE = 1e9
# torch 2.13.0 and vllm 0.32.0 are built for CUDA 13 (tests/test_preflight.py asks the package index).
PINNED_CUDA = (13, 0)
HOST_BYTES = 4 * GIGABYTE  # a job beside the weights that it holds
NOMINAL = 0.98  # a card with this share of its nominal memory is the card of the catalogue
SAME_PRICE = 0.01


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
    def gpu(self) -> Gpu:
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


def gigabytes(value: float) -> str:
    """Bytes as they are shown."""
    return f"{value / GIGABYTE:.1f} GB"


def _words(text: str) -> set[str]:
    """The words of a GPU's name, its memory left out."""
    return {word for word in re.findall(r"[a-z0-9]+", text.lower()) if not re.fullmatch(r"\d+gb", word)}


def _check_kind(planned: Gpu, found: dict[str, machine.Gpu]) -> None:
    if not found:
        remedy = f"nvidia-smi finds none: take a machine with the planned one ({planned.name})"
        raise InputError(field="GPU", value="none", remedy=remedy)
    for gpu in found.values():
        is_smaller = gpu.total_bytes < planned.memory_gb * GIGABYTE * NOMINAL
        if is_smaller or not _words(planned.name) <= _words(gpu.name):
            value = f"{gpu.name}, {gigabytes(gpu.total_bytes)}"
            remedy = f"planned and priced for another ({planned.name}): name this one in budget.gpu"
            raise InputError(field="GPU", value=value, remedy=remedy)


def _check_cuda(driver: str) -> str:
    """The newest CUDA of the driver, as text."""
    cuda = machine.cuda_version()
    shown = ".".join(map(str, cuda)) if cuda else "unknown"
    if cuda is None or cuda < PINNED_CUDA:
        wanted = ".".join(map(str, PINNED_CUDA))
        remedy = (
            f"the pinned packages need CUDA {wanted} or newer (driver {machine.FIRST_DRIVER[PINNED_CUDA]}):"
            f" take a machine with a newer driver (runpodctl pod create --min-cuda-version {wanted})"
        )
        raise InputError(field="CUDA", value=f"driver {driver}, CUDA {shown}", remedy=remedy)
    return shown


def check_gpu(situation: Situation) -> str:
    """GPUs of the planned kind, a driver that runs the pinned CUDA, enough free memory on each."""
    planned, needed = situation.gpu, situation.gpu_bytes
    if planned.virtual:
        return f"none needed ({planned.name})"
    found = machine.visible_gpus()
    _check_kind(planned, found)
    first = next(iter(found.values()))
    cuda = _check_cuda(first.driver)
    for name, gpu in found.items():
        if gpu.free_bytes < needed:
            value = f"{gigabytes(gpu.free_bytes)} free of {gigabytes(gpu.total_bytes)} on GPU {name}"
            remedy = f"{gigabytes(needed)} are needed: end what else uses it, or take a larger GPU"
            raise InputError(field="GPU memory", value=value, remedy=remedy)
    free = min(gpu.free_bytes for gpu in found.values())
    memory = f"{gigabytes(free)} free ({gigabytes(needed)} needed)"
    return f"{len(found)} x {first.name}, {memory}, CUDA {cuda} (driver {first.driver})"


def check_memory(situation: Situation) -> str:
    """Enough memory of the host to merge an adapter, which is done on the CPU."""
    available, needed = machine.available_memory(), situation.weight_bytes + HOST_BYTES
    if available < needed:
        remedy = f"{gigabytes(needed)} are needed to merge an adapter: take a machine with more memory"
        raise InputError(field="memory", value=f"{gigabytes(available)} available", remedy=remedy)
    return f"{gigabytes(available)} available ({gigabytes(needed)} needed)"


def check_model(situation: Situation) -> tuple[str, float]:
    """The model is here or can be downloaded with this token. Returns the line, and the bytes to download."""
    base = situation.settings["base_model"]
    if base["path"]:
        check_weights(Path(base["path"]))
        size = sum(file.stat().st_size for file in loaded_files(base["path"]))
        return f"{base['path']}, {gigabytes(size)}", 0.0
    found = hub_access.access(base["repo"], base["revision"])
    name = f"{base['repo']}@{base['revision'][:8]}"
    if found.directory:
        return f"{name} is in the cache", 0.0
    return f"{name} can be downloaded, {gigabytes(found.download_bytes)}", float(found.download_bytes)


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
