"""Memory of LoRA training on a frozen base (QLoRA where the base is in NF4), term by term."""

from dataclasses import dataclass

from workflow_scripts.core.memory.shapes import ModelShape
from workflow_scripts.core.memory.weights import (
    CUDA_OVERHEAD_BYTES,
    QUANTISED,
    compute_bytes,
    weight_bytes,
)

# A card is filled to this share at most: the allocator's fragments take the rest.
UTILISATION = 0.95
FLOAT32 = 4


@dataclass(frozen=True)
class Training:
    """What one forward and backward pass holds.

    `sequences` of `tokens` each (of a preference pair both sides count); `checkpointing` keeps only the input
    of each block and computes the rest again.
    """

    precision: str
    rank: int
    target_modules: str | tuple[str, ...]
    sequences: int
    tokens: int
    checkpointing: bool


def _block_numbers(shape: ModelShape) -> int:
    """Numbers that the backward pass of one block needs of each token.

    Inputs and outputs of two norms, queries, keys, values, the attention's output, and four times the width
    of the feed-forward layer (gate, up, activated gate, product). Attention scores are not kept
    (FlashAttention, Dao et al. 2022).
    """
    return 4 * shape.hidden + 2 * shape.query_width + 2 * shape.kv_width + 4 * shape.intermediate


def training_terms(
    shape: ModelShape, training: Training, overhead_bytes: float = CUDA_OVERHEAD_BYTES
) -> dict[str, float]:
    """Bytes by term at the peak of a step. `overhead_bytes` is what the process holds beside the tensors.

    Adapter weights, their gradients and AdamW's two moments are float32. Of the logits there are three
    copies: as computed, in float32 for the loss, and the gradient. A quantised base unpacks one layer.
    """
    adapter = shape.lora_parameters(training.rank, training.target_modules)
    each, tokens = compute_bytes(training.precision), training.sequences * training.tokens
    kept_blocks = 1 if training.checkpointing else shape.layers
    inputs_of_blocks = shape.layers * shape.hidden if training.checkpointing else 0
    largest = max(inputs * outputs for inputs, outputs in shape.projections.values())
    return {
        "weights": weight_bytes(shape, training.precision),
        "lora": adapter * FLOAT32,
        "gradients": adapter * FLOAT32,
        "optimizer": 2 * adapter * FLOAT32,
        "activations": tokens * (inputs_of_blocks + kept_blocks * _block_numbers(shape)) * each,
        "logits": tokens * shape.vocabulary * (each + 2 * FLOAT32),
        "unpacked_layer": largest * each if training.precision in QUANTISED else 0,
        "cuda_overhead": overhead_bytes,
    }


def is_feasible(shape: ModelShape, training: Training, memory_bytes: float) -> bool:
    """Whether a card holds the peak of a training step."""
    return sum(training_terms(shape, training).values()) <= memory_bytes * UTILISATION
