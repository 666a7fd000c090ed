"""Packed batches: a batch's examples laid end to end in one row, without padding, each with its own mask.

TRL lays them so (`padding_free`); positions that begin at 0 again tell the model where an example begins. Not
every architecture and attention kernel heeds that, so it is tried before training.
"""

from collections.abc import Sequence

import torch

from workflow_scripts.core.errors import InputError

# Of logits. Masked tokens take part with a weight of exactly 0, so that only rounding may differ.
TOLERANCE = 1e-3


def positions(lengths: Sequence[int]) -> torch.Tensor:
    """The positions [1, sum of lengths] of packed examples: 0, 1, ... in each."""
    return torch.cat([torch.arange(length) for length in lengths])[None]


@torch.no_grad()
def check_masks(model, features: Sequence[dict]) -> None:
    """InputError unless an example's logits are the same whatever stands before it in its row."""
    example = min((row["input_ids"] for row in features), key=len)
    places = positions([len(example), len(example)]).to(model.device)
    logits = []
    for other in (example, example[::-1]):
        ids = torch.tensor([[*other, *example]], device=model.device)
        logits.append(model(input_ids=ids, position_ids=places, use_cache=False).logits[:, len(example) :])
    if (logits[0] - logits[1]).abs().max() > TOLERANCE:
        remedy = "with this model packed examples see each other: use length_grouped"
        raise InputError(field="sft.batching", value="packed", remedy=remedy)
