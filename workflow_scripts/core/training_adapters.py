"""LoRA adapters: made from settings, written without anything of the machine, merged into their base."""

import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.models import TOKENIZER_FILES
from workflow_scripts.core.outputs import write_json

LINEAGE = "merge.json"


def lora_config(settings: dict) -> LoraConfig:
    """LoRA of the settings {rank, alpha, rslora, dropout, target_modules} (Hu et al. 2021; rank-stabilised:
    Kalajdzievski 2023); "all-linear" leaves out lm_head."""
    return LoraConfig(
        r=settings["rank"],
        lora_alpha=settings["alpha"],
        use_rslora=settings["rslora"],
        lora_dropout=settings["dropout"],
        target_modules=settings["target_modules"],
        bias="none",
        task_type="CAUSAL_LM",
    )


def trainable_to_float32(model) -> int:
    """Cast every trainable parameter to float32, where small updates survive. Returns how many numbers are
    trained."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.data = parameter.data.to(torch.float32)
    return sum(parameter.numel() for parameter in trainable)


def adapter_record(model, label: str) -> dict:
    """A PEFT model's adapter_config.json: sets sorted, module names without their layers, the base by its
    label."""
    config = model.peft_config["default"].to_dict()
    config = {name: sorted(value) if isinstance(value, set) else value for name, value in config.items()}
    modules = config["target_modules"]
    config["target_modules"] = (
        modules if isinstance(modules, str) else sorted({name.rpartition(".")[2] for name in modules})
    )
    return {**config, "base_model_name_or_path": label, "inference_mode": True}


def save_adapter(model, path) -> None:
    """Write a PEFT model's adapter weights as safetensors, in PEFT's own names; equal weights give equal
    bytes."""
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    save_file(tensors, path, metadata={"format": "pt"})


def load_adapter(model, record: dict, weights, file):
    """The model with an adapter on it, as a PEFT model. InputError unless every weight finds its place and
    none lacks."""
    names = LoraConfig.__dataclass_fields__
    config = LoraConfig(**{name: value for name, value in record.items() if name in names})
    adapted = get_peft_model(model, config)
    expected = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    tensors = load_file(weights)
    wrong = sorted(
        name
        for name in expected.keys() | tensors.keys()
        if name not in expected or name not in tensors or expected[name].shape != tensors[name].shape
    )
    if wrong:
        remedy = "this adapter was trained on another model: give the model that it was trained on"
        raise InputError(file=file, field=wrong[0], remedy=remedy)
    set_peft_model_state_dict(adapted, tensors)
    return adapted.eval()


def merge(model, record: dict, weights, file):
    """W + scale * B A for every adapted layer, in the base's own dtype; scale is alpha / rank, or alpha /
    sqrt(rank) with rslora. InputError for a quantised base, which would be rounded to its few bits again."""
    if getattr(model, "is_quantized", False):
        remedy = "merge into the base in 16 or 32 bits that the quantised one was made from"
        raise InputError(file=file, field="base", value="quantised", remedy=remedy)
    return load_adapter(model, record, weights, file).merge_and_unload(safe_merge=True)


def copy_tokenizer(source, target) -> None:
    """Copy a model directory's tokenizer files as they are, but for a chat template, which is left out."""
    for name in TOKENIZER_FILES:
        if (Path(source) / name).exists():
            shutil.copyfile(Path(source) / name, Path(target) / name)
    settings = Path(target) / "tokenizer_config.json"
    if settings.exists():
        content = json.loads(settings.read_text(encoding="utf-8"))
        if content.pop("chat_template", None) is not None:
            write_json(settings, content)


def read_lineage(model) -> dict:
    """merge.json of a merged model: the model that the adapter was merged into. InputError for any other
    model."""
    try:
        return json.loads((Path(model) / LINEAGE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        remedy = (
            "DPO's reference is the model it starts from: give the merged SFT model that merge_adapter made,"
            " not a raw base"
        )
        raise InputError(file=model, field=LINEAGE, value="absent", remedy=remedy) from None
