"""Bytes of a model's weights by precision."""

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.memory.shapes import ModelShape

# NF4 with double quantisation (Dettmers et al. 2023, QLoRA, section 3): four bits a weight, an 8-bit scale
# for every 64 weights, a 32-bit scale for every 256 of those.
NF4_BYTES = 4 / 8 + 1 / 64 + 4 / (64 * 256)
LINEAR_BYTES = {
    "float32": 4.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "nf4": NF4_BYTES,
}
QUANTISED = ("fp8", "int8", "nf4")
# CUDA context and libraries: an assumption, the same for every card.
CUDA_OVERHEAD_BYTES = 0.6e9


def linear_bytes(precision: str) -> float:
    """Bytes of one weight of a linear layer. InputError for a precision that is not known."""
    if precision not in LINEAR_BYTES:
        remedy = f"give one of {', '.join(LINEAR_BYTES)}"
        raise InputError(field="precision", value=precision, remedy=remedy)
    return LINEAR_BYTES[precision]


def compute_bytes(precision: str) -> int:
    """Bytes of one activation: quantised models compute in 16 bits."""
    return 4 if precision == "float32" else 2


def weight_bytes(shape: ModelShape, precision: str) -> float:
    """Bytes of all weights: linear layers in the precision, the rest as it is computed."""
    others = shape.parameters - shape.linear_parameters
    return shape.linear_parameters * linear_bytes(precision) + others * compute_bytes(precision)
