"""Memory of batched generation (vLLM's way: weights, then as much KV cache as is left), term by term."""

from workflow_scripts.core.memory.shapes import ModelShape
from workflow_scripts.core.memory.weights import CUDA_OVERHEAD_BYTES, compute_bytes, weight_bytes

# vLLM's own default: it takes this share of the card (option gpu_memory_utilization).
UTILISATION = 0.9
# Prompt tokens and sequences that vLLM runs in one step at most (max_num_batched_tokens, max_num_seqs).
STEP_TOKENS, STEP_SEQUENCES = 8192, 256
# Generation is called feasible when this many of the longest sequences fit in the cache at once.
MINIMUM_SEQUENCES = 8


def inference_terms(shape: ModelShape, precision: str, sequence_tokens: int) -> dict[str, float]:
    """Bytes by term. The KV cache is the least that is of use: MINIMUM_SEQUENCES of `sequence_tokens`.

    Activations are the widest moment of one step, in the feed-forward layer: its inputs and their product.
    Logits are one float32 row for each sequence of a step.
    """
    each = compute_bytes(precision)
    step_tokens = min(STEP_TOKENS, STEP_SEQUENCES * sequence_tokens)
    return {
        "weights": weight_bytes(shape, precision),
        "kv_cache": MINIMUM_SEQUENCES * sequence_tokens * shape.kv_numbers_per_token * each,
        "activations": step_tokens * (2 * shape.hidden + 3 * shape.intermediate) * each,
        "logits": STEP_SEQUENCES * shape.vocabulary * 4,
        "cuda_overhead": CUDA_OVERHEAD_BYTES,
    }


def kv_tokens(shape: ModelShape, precision: str, sequence_tokens: int, memory_bytes: float) -> int:
    """Tokens of KV cache that a card has room for beside all other terms; 0 when the rest does not fit."""
    terms = inference_terms(shape, precision, sequence_tokens)
    others = sum(value for name, value in terms.items() if name != "kv_cache")
    left = memory_bytes * UTILISATION - others
    return max(0, int(left / (shape.kv_numbers_per_token * compute_bytes(precision))))


def is_feasible(shape: ModelShape, precision: str, sequence_tokens: int, memory_bytes: float) -> bool:
    """Whether a card holds the model with a KV cache that is of use."""
    room = kv_tokens(shape, precision, sequence_tokens, memory_bytes)
    return room >= MINIMUM_SEQUENCES * sequence_tokens
