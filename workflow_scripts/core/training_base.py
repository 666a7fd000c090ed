"""The frozen base of a training: whether there is room for it, and the base itself, as it is or quantised.

"nf4": four bits a weight with double quantisation (QLoRA, Dettmers et al. 2023). "int8": LLM.int8()
(Dettmers et al. 2022). Both compute in the engine's dtype; null holds the weights in that dtype, too.
"""

import logging

from workflow_scripts.core import gpu_memory, models


def quantization_config(quantization: str | None, dtype: str):
    """What transformers loads a base with; None for a base that stays as it is."""
    import torch
    from transformers import BitsAndBytesConfig

    if quantization is None:
        return None
    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )


def load_base(inputs, sequences: int, tokens: int):
    """The base of a training's inputs. `sequences` of at most `tokens` are what one pass holds.

    InputError, before anything is read, where the GPU has no room for it.
    """
    settings, engine = inputs.settings, inputs.engine
    reference = models.resolve_model(inputs.model)
    if models.pick_device(engine["device"]) == "cuda":
        directory = models.local_directory(reference)
        gpu_memory.check_training(directory, settings, engine["dtype"], sequences, tokens, "this training")
    quantization = quantization_config(settings["quantization"], engine["dtype"])
    model = models.load_model(reference, engine["dtype"], engine["device"], quantization)
    return model if quantization is None else fit_to_train(model)


def fit_to_train(model):
    """A quantised model, changed so that both passes of a training compute the same on every machine."""
    from bitsandbytes.nn import Linear4bit

    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            # Else a CPU with these instructions repacks the weights at the first pass in evaluation mode, and
            # no gradient comes through them any more.
            layer.support_avx512bf16_for_cpu = False
    # It says with every product that an activation is rounded, which is what int8 is.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
    # Layers of int8 round in another way in evaluation mode, and DPO's reference would not be its policy.
    return model.train()
