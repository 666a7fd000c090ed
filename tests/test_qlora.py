"""Trainings of adapters on a quantised base, through the command lines: NF4 in bfloat16 (QLoRA), and int8."""

import json
import math
from pathlib import Path

import pytest

from tests import tiny_models, training_files
from tests.power_cut import power_cut
from workflow_scripts import merge_adapter, train_dpo, train_sft
from workflow_scripts.core import hashing

DTYPE = "bfloat16"
LORA = {**training_files.LORA, "rank": 16, "rslora": True}
SFT = {**training_files.SFT, "quantization": "nf4", "gradient_checkpointing": True, "lora": LORA}
DPO = {**training_files.DPO, "quantization": "nf4", "gradient_checkpointing": True, "lora": LORA}
SLOWER = pytest.mark.integration
OUTPUTS = ("adapter_model.safetensors", "adapter_config.json", "training.json", "metrics.parquet")


def train(directory: Path, name: str, settings: dict, model: str, dtype: str = DTYPE) -> dict:
    """Run train_sft, or train_dpo for settings with a beta; its training.json."""
    stage, main, data = (
        ("dpo", train_dpo.main, "pairs.parquet")
        if "beta" in settings
        else ("sft", train_sft.main, "train.parquet")
    )
    out = directory / name
    main(training_files.command_line(out, directory / model, stage, settings, directory / data, dtype=dtype))
    return json.loads((out / "training.json").read_text())


def merge(directory: Path, name: str, model: str) -> Path:
    """Run merge_adapter; the merged model, in the dtype of the base as it was saved."""
    merged = directory / f"{name}-merged"
    words = ["--model", directory / model, "--weights", directory / name / OUTPUTS[0]]
    words += ["--adapter-config", directory / name / OUTPUTS[1], "--merged", merged]
    merge_adapter.main([str(word) for word in [*words, "--manifest", f"{merged}.json"]])
    return merged


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Inputs, an SFT on the base in NF4 ("sft", merged) and a DPO on the merged model in NF4 ("dpo")."""
    directory = tmp_path_factory.mktemp("qlora")
    tiny_models.make_qwen2(directory / "base", tie_word_embeddings=False)
    training_files.write_examples(directory / "train.parquet")
    training_files.write_pairs(directory / "pairs.parquet")
    training_files.write_dev(directory / "dev.parquet")
    training_files.write_template(directory / "completion.j2")
    train(directory, "sft", SFT, "base")
    merge(directory, "sft", "base")
    train(directory, "dpo", DPO, "sft-merged")
    return directory


def record(directory: Path) -> dict:
    return json.loads((directory / "training.json").read_text())


def inputs(directory: Path, settings: dict, model: str):
    from workflow_scripts.core.training_setup import Inputs

    data = directory / ("pairs.parquet" if "beta" in settings else "train.parquet")
    return Inputs(
        model=str(directory / model),
        data=str(data),
        dev=str(directory / "dev.parquet"),
        template=str(directory / "completion.j2"),
        settings=settings,
        engine={**training_files.ENGINE, "dtype": DTYPE},
        evaluation=training_files.EVALUATION,
        seed=1,
    )


def test_sft_on_nf4_learns_and_says_in_which_precision(trained):
    result = record(trained / "sft")
    assert result["final_loss"] < 0.3 < result["first_step_loss"] and result["best_dev_success"] == 1.0
    assert result["precision"] == {"base": "nf4", "compute": "bfloat16", "trained": "float32"}
    assert result["versions"]["bitsandbytes"] and result["tokens_seen"] > result["trained_tokens"] > 0


def test_every_linear_layer_is_in_four_bits_under_a_float32_adapter(trained, tmp_path):
    import torch
    from bitsandbytes import nn

    from workflow_scripts.core import training_setup

    trainer, _ = training_setup.sft_trainer(inputs(trained, SFT, "base"), tmp_path)
    named = dict(trainer.model.named_modules())
    quantised = {name for name, layer in named.items() if isinstance(layer, nn.Linear4bit)}
    kept_whole = {
        name
        for name, layer in named.items()
        if isinstance(layer, torch.nn.Linear) and "lora" not in name and name not in quantised
    }
    assert len(quantised) == 2 * 7 and {name.rpartition(".")[2] for name in kept_whole} == {"lm_head"}
    for name in quantised:
        state = named[name].weight.quant_state
        assert state.quant_type == "nf4" and state.nested and state.dtype == torch.bfloat16
        assert not named[name].support_avx512bf16_for_cpu
        adapter = named[name.removesuffix(".base_layer")]
        assert adapter.scaling["default"] == LORA["alpha"] / math.sqrt(LORA["rank"])
    trainable = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    assert len(trainable) == 2 * len(quantised) and {p.dtype for p in trainable} == {torch.float32}


def test_small_updates_are_not_lost(trained, tmp_path):
    """At a DPO's learning rate nearly every number moves; kept in bfloat16, few would."""
    from workflow_scripts.core import training_setup

    settings = {**SFT, "learning_rate": 5e-6, "scheduler": "constant", "warmup_fraction": 0.0}
    trainer, _ = training_setup.sft_trainer(inputs(trained, settings, "base"), tmp_path)
    weights = {n: p for n, p in trainer.model.named_parameters() if "lora_A" in n}
    before = {name: parameter.detach().clone() for name, parameter in weights.items()}
    trainer.train()
    moved = sum(int((before[name] != parameter).sum()) for name, parameter in weights.items())
    assert moved > 0.95 * sum(parameter.numel() for parameter in weights.values())


def test_dpo_on_nf4_starts_at_its_reference_and_widens_the_margin(trained):
    from workflow_scripts.core import schemas

    result = record(trained / "dpo")
    assert abs(result["first_step_loss"] - math.log(2)) < 1e-3 and abs(result["first_step_margin"]) < 1e-3
    rows = schemas.read_records(trained / "dpo" / OUTPUTS[3], schemas.TRAINING_METRICS)
    margins = [row["value"] for row in rows if row["name"] == "rewards/margins"]
    assert (
        margins[-1] > 0.5
        and result["reference"]["adapter_sha256"] == record(trained / "sft")["adapter_sha256"]
    )


@SLOWER
@pytest.mark.parametrize(("name", "settings", "model"), [("sft", SFT, "base"), ("dpo", DPO, "sft-merged")])
def test_a_training_that_was_cut_off_ends_in_the_same_bytes(trained, name, settings, model, capsys):
    lora = {**LORA, "dropout": 0.1} if name == "sft" else LORA
    settings = {**settings, "checkpoint_steps": 2, "lora": lora}
    train(trained, f"{name}-whole", settings, model)
    with power_cut(5):
        train(trained, f"{name}-cut", settings, model)
    train(trained, f"{name}-cut", settings, model)
    assert "goes on after step 4" in capsys.readouterr().err
    for output in OUTPUTS:
        whole, resumed = (trained / f"{name}-{way}" / output for way in ("whole", "cut"))
        assert hashing.sha256_file(whole) == hashing.sha256_file(resumed), output


def logprobs(model, directory: Path):
    """Log-probabilities of all next tokens of the training examples, float32 [tokens, vocabulary]."""
    import torch

    from workflow_scripts.core import models, schemas, training_data

    rows = schemas.read_records(directory / "train.parquet", schemas.SFT_EXAMPLES)[:8]
    tokenizer = models.load_tokenizer(directory / "base")
    features = training_data.sft_features(tokenizer, rows, 64, "rows")
    with torch.no_grad():
        logits = [model(torch.tensor([row["input_ids"]])).logits[0].float() for row in features]
    return torch.cat(logits).log_softmax(-1)


def divergence(reference, other) -> float:
    """Mean KL divergence in nats from reference to other."""
    return float((reference.exp() * (reference - other)).sum(-1).mean())


def test_the_merged_model_is_the_adapter_on_the_base_as_it_was_and_close_to_what_was_trained(trained):
    import torch

    from workflow_scripts.core import models, training_adapters, training_base

    config = json.loads((trained / "sft" / OUTPUTS[1]).read_text())
    weights = trained / "sft" / OUTPUTS[0]

    def adapted(quantization):
        base = models.load_model(trained / "base", "float32", "cpu", quantization)
        base = training_base.fit_to_train(base).eval() if quantization else base
        return training_adapters.load_adapter(base, config, weights, "adapter")

    merged_model = models.load_model(trained / "sft-merged", "auto", "cpu")
    assert merged_model.dtype == torch.float32 and not getattr(merged_model, "is_quantized", False)
    merged = logprobs(merged_model, trained)
    assert (merged - logprobs(adapted(None), trained)).abs().max() < 1e-3
    trained_as = logprobs(adapted(training_base.quantization_config("nf4", "float32")), trained)
    untrained = logprobs(models.load_model(trained / "base", "float32", "cpu"), trained)
    assert divergence(trained_as, merged) < 0.5 * divergence(trained_as, untrained)


def test_nothing_is_merged_into_a_quantised_base(trained):
    from workflow_scripts.core import models, training_adapters, training_base
    from workflow_scripts.core.errors import InputError

    for kind in ("nf4", "int8"):
        base = models.load_model(
            trained / "base", DTYPE, "cpu", training_base.quantization_config(kind, DTYPE)
        )
        with pytest.raises(InputError, match="base = 'quantised': merge into the base in 16 or 32 bits"):
            training_adapters.merge(base, {}, trained / "sft" / OUTPUTS[0], "adapter")


@SLOWER
def test_eight_bits_are_an_option_for_both_stages(trained):
    sft = train(trained, "sft-int8", {**SFT, "quantization": "int8"}, "base")
    assert sft["precision"]["base"] == "int8" and sft["final_loss"] < 0.3
    dpo = train(trained, "dpo-int8", {**DPO, "epochs": 1, "quantization": "int8"}, "sft-merged")
    assert abs(dpo["first_step_loss"] - math.log(2)) < 1e-3 and abs(dpo["first_step_margin"]) < 1e-3


@SLOWER
def test_checkpointing_changes_nothing_but_memory(trained):
    settings = {**SFT, "epochs": 1}
    with_it = train(trained, "sft-checkpointing", settings, "base")
    without = train(trained, "sft-plain", {**settings, "gradient_checkpointing": False}, "base")
    assert with_it["adapter_sha256"] == without["adapter_sha256"]


@SLOWER
def test_the_optimizer_is_the_configured_one(trained, tmp_path):
    from workflow_scripts.core import training_setup

    settings = {**SFT, "optimizer": "paged_adamw_8bit"}
    trainer, _ = training_setup.sft_trainer(inputs(trained, settings, "base"), tmp_path)
    trainer.create_optimizer()
    assert type(trainer.optimizer).__module__.startswith("bitsandbytes.optim")
    result = train(trained, "sft-8bit-moments", {**settings, "epochs": 1}, "base")
    assert result["final_loss"] < result["first_step_loss"]
