"""The GPU that is there: whether a job fits in, asked before anything is loaded.

The terms are those of `core.memory`, the model that plans are made with. Nothing is asked where a job runs on
the CPU.
"""

from workflow_scripts.core import models
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.machine import visible_gpus
from workflow_scripts.core.memory import inference, training
from workflow_scripts.core.memory.shapes import ModelShape, read_shape
from workflow_scripts.core.runtime import say

GIGABYTE = 1e9
SEQUENCE_TOKENS = 2048  # of a generation for which the settings state no limit
FREE_OR_RENT = "end what else runs on this GPU, rent a larger one"


def memory_of_gpu() -> tuple[str, float, float]:
    """(name, bytes, free bytes) of the first GPU that this process may use, asked of the driver.

    Not of torch, where that can be helped: it would open a CUDA context, with which an engine cannot fork.
    """
    for gpu in visible_gpus().values():
        return gpu.name, gpu.total_bytes, gpu.free_bytes
    import torch

    free, total = torch.cuda.mem_get_info()
    return torch.cuda.get_device_name(), total, free


def require(terms: dict[str, float], share: float, what: str, instead: str) -> None:
    """InputError unless a job of these terms (bytes) fits into a share of the free memory."""
    need = sum(terms.values())
    name, total, free = memory_of_gpu()
    if need <= share * free:
        return
    largest = sorted(terms.items(), key=lambda term: -term[1])[:3]
    parts = ", ".join(f"{term} {size / GIGABYTE:.1f}" for term, size in largest)
    found = f"{free / GIGABYTE:.1f} of {total / GIGABYTE:.1f} GB are free on {name}"
    remedy = f"{what} needs {need / share / GIGABYTE:.1f} GB ({parts}): {FREE_OR_RENT}, or {instead}"
    raise InputError(field="GPU memory", value=found, remedy=remedy)


def _shape(directory) -> ModelShape | None:
    """The sizes in a model directory's config.json; None, and a line about it, where it has other ones."""
    try:
        return read_shape(directory / "config.json")
    except InputError as error:
        say(f"the GPU's memory is not checked: {error}")
        return None


def check_training(directory, settings: dict, dtype: str, sequences: int, tokens: int, what: str) -> None:
    """InputError unless a step of `sequences` of at most `tokens` each fits (see memory.training).

    directory: the base's (a Path); settings: `sft` or a DPO variant; dtype: what the base is computed in.
    """
    shape = _shape(directory)
    if shape is None:
        return
    run = training.Training(
        precision=settings["quantization"] or dtype,
        rank=settings["lora"]["rank"],
        target_modules=settings["lora"]["target_modules"],
        sequences=sequences,
        tokens=tokens,
        checkpointing=settings["gradient_checkpointing"],
    )
    instead = "set a smaller batch_size, gradient_checkpointing: true, or quantization: nf4"
    require(training.training_terms(shape, run), training.UTILISATION, what, instead)


def check_generation(settings: dict, model) -> None:
    """InputError unless the engine that the settings ask for fits with a cache that is of use (see
    memory.inference). Nothing is asked where it runs on a CPU.

    settings: `engine` of the configuration; model: an identity file or a model directory.
    """
    if settings["device"] not in ("auto", "cuda") or not visible_gpus():
        return
    directory = models.local_directory(models.resolve_model(model))
    shape = _shape(directory)
    if shape is None:
        return
    # vLLM's names say how a precision is scaled, too: fp8_per_block.
    precision = (settings.get("quantization") or settings["dtype"]).split("_")[0]
    tokens = settings.get("max_model_len") or SEQUENCE_TOKENS
    instead = "set engine.quantization: fp8 or a smaller engine.max_model_len"
    terms = inference.inference_terms(shape, precision, tokens)
    require(terms, inference.UTILISATION, "the model with its cache", instead)
