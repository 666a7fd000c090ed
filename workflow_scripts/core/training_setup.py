"""TRL trainers for SFT and DPO, made from this project's settings and checked before they run.

Settings of both: {quantization, gradient_checkpointing, optimizer, checkpoint_steps, learning_rate, epochs,
batch_size, gradient_accumulation, warmup_fraction, scheduler, weight_decay, max_length, early_stopping:
{patience, min_delta} or null, lora: {rank, alpha, rslora, dropout, target_modules}}. SFT adds {max_examples,
batching}, DPO {beta, loss_type, nll_weight, precompute_reference}.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasets import Dataset
from transformers import PrinterCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from workflow_scripts.core import (
    hashing,
    models,
    prompts,
    provenance,
    schemas,
    training_adapters,
    training_base,
    training_callbacks,
    training_data,
    training_packing,
)
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.progress import Progress


@dataclass(frozen=True)
class Inputs:
    """What a training reads. `data` are examples or pairs, `settings` its own slice, `steps` a fixed number
    of optimizer steps or None for whole epochs."""

    model: str
    data: str
    dev: str
    template: str
    settings: dict
    engine: dict
    evaluation: dict
    seed: int
    steps: int | None = None

    def digest(self, code: str) -> dict:
        """All that the result depends on but the machine: digests of the files, settings, code, versions."""
        return {
            "model": provenance.model_identity(self.model),
            "data_sha256": hashing.sha256_file(self.data),
            "dev_sha256": hashing.sha256_file(self.dev),
            "template_sha256": hashing.sha256_file(self.template),
            "settings": self.settings,
            "engine": self.engine,
            "evaluation": self.evaluation,
            "seed": self.seed,
            "steps": self.steps,
            "code_digest": code,
            "versions": provenance.package_versions(),
        }


class SFT(training_callbacks.TrainerAdditions, SFTTrainer):
    """TRL's SFTTrainer with this project's additions."""


class DPO(training_callbacks.TrainerAdditions, DPOTrainer):
    """TRL's DPOTrainer with this project's additions."""

    def compute_ref_log_probs(self, model, inputs):
        """As TRL has it; where all pairs are looked at before the training, they are counted."""
        found = super().compute_ref_log_probs(model, inputs)
        if not self.is_in_train:
            self.reference_pairs.advance(len(found[0]))
        return found

    @cached_property
    def reference_pairs(self) -> Progress:
        """Pairs whose reference is known; nothing is lost where the job ends among them."""
        return Progress(len(self.train_dataset), "pairs", "reference", may_end=True, brief=True)


def read_rows(inputs: Inputs, schema) -> list[dict]:
    """The rows to train on; InputError when there is none, or when their prompts are not of the template."""
    rows = schemas.read_records(inputs.data, schema)
    training_data.check_prompts(rows, prompts.load_template(inputs.template), inputs.data)
    return rows


def load_tokenizer(inputs: Inputs):
    """The tokenizer as TRL must have it: no special token added."""
    return training_data.without_special_tokens(models.load_tokenizer(models.resolve_model(inputs.model)))


def warmup_steps(settings: dict, rows: int, steps: int | None) -> int:
    """The settings' warmup_fraction of all optimizer steps, rounded up."""
    per_epoch = math.ceil(math.ceil(rows / settings["batch_size"]) / settings["gradient_accumulation"])
    return math.ceil(settings["warmup_fraction"] * (steps or per_epoch * settings["epochs"]))


def arguments(config_class, inputs: Inputs, device: str, rows: int, directory: Path, **special):
    """A TRL config from the settings; checkpoints go to the directory, every step is logged, nothing is
    reported."""
    settings = inputs.settings
    common = dict(
        output_dir=str(directory),
        seed=inputs.seed,
        learning_rate=settings["learning_rate"],
        num_train_epochs=settings["epochs"],
        max_steps=inputs.steps or -1,
        per_device_train_batch_size=settings["batch_size"],
        gradient_accumulation_steps=settings["gradient_accumulation"],
        warmup_steps=warmup_steps(settings, rows, inputs.steps),
        lr_scheduler_type=settings["scheduler"],
        weight_decay=settings["weight_decay"],
        max_length=settings["max_length"],
        bf16=inputs.engine["dtype"] == "bfloat16",
        fp16=inputs.engine["dtype"] == "float16",
        use_cpu=device == "cpu",
        gradient_checkpointing=settings["gradient_checkpointing"],
        optim=settings["optimizer"],
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_steps=settings["checkpoint_steps"],
        save_total_limit=2,
        dataloader_pin_memory=device != "cpu",
        disable_tqdm=True,
        report_to="none",
    )
    return config_class(**{**common, **special})


def ready(trainer, features: Sequence[dict]):
    """The trainer, checked to hold exactly these features, with float32 adapter weights and batches by
    length."""
    training_data.check_features(trainer.train_dataset, features)
    training_adapters.trainable_to_float32(trainer.model)
    trainer.lengths = training_data.row_lengths(features)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(training_callbacks.CheckpointMarker())
    return trainer


def sft_trainer(inputs: Inputs, directory: Path) -> tuple[SFT, list[dict]]:
    """A trainer on SFT_EXAMPLES rows with the loss on the completion and its EOS alone, and the rows'
    features."""
    settings = inputs.settings
    rows = read_rows(inputs, schemas.SFT_EXAMPLES)[: settings["max_examples"]]
    tokenizer = load_tokenizer(inputs)
    features = training_data.sft_features(tokenizer, rows, settings["max_length"], inputs.data)
    longest = max(training_data.row_lengths(features))
    model = training_base.load_base(inputs, settings["batch_size"], longest)
    # Packed, no row is cut by TRL, and none needs to be: `sft_features` refuses what is too long.
    packed = {"padding_free": True, "max_length": None} if settings["batching"] == "packed" else {}
    trainer = SFT(
        model=model,
        args=arguments(
            SFTConfig,
            inputs,
            model.device.type,
            len(rows),
            directory,
            completion_only_loss=True,
            **packed,
        ),
        train_dataset=Dataset.from_list(
            [{name: row[name] for name in ("prompt", "completion")} for row in rows]
        ),
        processing_class=tokenizer,
        peft_config=training_adapters.lora_config(settings["lora"]),
    )
    if packed:
        training_packing.check_masks(trainer.model, features)
    return ready(trainer, features), features


def dpo_trainer(inputs: Inputs, directory: Path) -> tuple[DPO, list[dict]]:
    """A trainer on PAIRS rows (DPO, Rafailov et al. 2023), and the rows' features.

    The reference is the given model itself: the adapter is new, and off for the reference. `nll_weight` adds
    that much of the chosen completions' negative log-likelihood per token (Pang et al. 2024, eq. 2).
    """
    settings = inputs.settings
    if settings["loss_type"] not in training_callbacks.LOSS_AT_REFERENCE:
        remedy = f"give one of {', '.join(training_callbacks.LOSS_AT_REFERENCE)}"
        raise InputError(field="loss_type", value=settings["loss_type"], remedy=remedy)
    rows = read_rows(inputs, schemas.PAIRS)
    tokenizer = load_tokenizer(inputs)
    features = training_data.dpo_features(tokenizer, rows, settings["max_length"], inputs.data)
    # In the order of their lengths, as the reference's passes take them in the order of the rows.
    rows, features = training_data.by_length(rows, features)
    longest = max(training_data.row_lengths(features))
    model = training_base.load_base(inputs, 2 * settings["batch_size"], longest)
    nll = [settings["nll_weight"]] if settings["nll_weight"] else []
    trainer = DPO(
        model=model,
        args=arguments(
            DPOConfig,
            inputs,
            model.device.type,
            len(rows),
            directory,
            beta=settings["beta"],
            loss_type=[settings["loss_type"], *("sft" for _ in nll)],
            loss_weights=[1.0, *nll],
            precompute_ref_log_probs=settings["precompute_reference"],
        ),
        train_dataset=Dataset.from_list(
            [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
        ),
        processing_class=tokenizer,
        peft_config=training_adapters.lora_config(settings["lora"]),
    )
    trainer.add_callback(training_callbacks.ReferenceCheck(settings, inputs.engine["dtype"], inputs.model))
    return ready(trainer, features), features
