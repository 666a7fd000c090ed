"""On a CUDA device: QLoRA trainings, their resumption and merge, and what the memory model says of them."""

import json

import pytest

from tests import test_qlora as qlora
from tests import tiny_models, training_files
from tests.power_cut import power_cut
from workflow_scripts.core import gpu_memory, schemas
from workflow_scripts.core.memory import training as memory_model
from workflow_scripts.core.memory.shapes import read_shape
from workflow_scripts.core.training_setup import sft_trainer


def has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not has_cuda(), reason="torch finds no CUDA device here"),
]
WIDE = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 12,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "vocab_size": 32768,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Inputs with a tiny base, an SFT in NF4, merged, and a DPO in NF4 on it."""
    folder = tmp_path_factory.mktemp("gpu")
    tiny_models.make_qwen2(folder / "base", tie_word_embeddings=False)
    training_files.write_examples(folder / "train.parquet")
    training_files.write_pairs(folder / "pairs.parquet")
    training_files.write_dev(folder / "dev.parquet")
    training_files.write_template(folder / "completion.j2")
    qlora.train(folder, "sft", qlora.SFT, "base")
    qlora.merge(folder, "sft", "base")
    qlora.train(folder, "dpo", qlora.DPO, "sft-merged")
    return folder


def losses(directory) -> list[float]:
    rows = schemas.read_records(directory / "metrics.parquet", schemas.TRAINING_METRICS)
    return [row["value"] for row in rows if row["name"] == "loss"]


def test_both_stages_learn_on_nf4(directory):
    sft, dpo = (json.loads((directory / name / "training.json").read_text()) for name in ("sft", "dpo"))
    assert sft["best_dev_success"] == 1.0 and sft["precision"]["base"] == "nf4"
    assert abs(dpo["first_step_loss"] - 0.6931) < 2e-3 and abs(dpo["first_step_margin"]) < 2e-2
    assert dpo["final_loss"] < 0.6


def test_the_merged_model_answers_as_trained(directory):
    from tests.test_training import texts

    assert texts(directory / "sft-merged") == [(" owl", "eos")] * 8


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_a_cut_off_training_goes_on_as_if_it_had_not_been(directory, quantization):
    settings = {**qlora.SFT, "quantization": quantization, "checkpoint_steps": 2}
    qlora.train(directory, f"{quantization}-whole", settings, "base")
    with power_cut(5):
        qlora.train(directory, f"{quantization}-cut", settings, "base")
    qlora.train(directory, f"{quantization}-cut", settings, "base")
    whole, resumed = losses(directory / f"{quantization}-whole"), losses(directory / f"{quantization}-cut")
    assert resumed == pytest.approx(whole, abs=1e-3)


@pytest.mark.parametrize("quantization", [None, "nf4"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_memory_model_against_a_step(tmp_path, quantization, checkpointing):
    """The peak of two steps is within a quarter of the model's terms, less what CUDA itself takes."""
    import torch

    base = tiny_models.make_qwen2(tmp_path / "base", **WIDE)
    training_files.write_examples(tmp_path / "train.parquet", count=64)
    training_files.write_template(tmp_path / "completion.j2")
    settings = {**qlora.SFT, "quantization": quantization, "gradient_checkpointing": checkpointing}
    settings |= {"batch_size": 32, "epochs": 1}
    torch.cuda.empty_cache()
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    trainer, features = sft_trainer(qlora.inputs(tmp_path, settings, "base"), tmp_path / "state")
    trainer.train()
    peak = torch.cuda.max_memory_allocated() - held
    run = memory_model.Training(
        precision=quantization or "bfloat16",
        rank=settings["lora"]["rank"],
        target_modules="all-linear",
        sequences=32,
        tokens=max(trainer.lengths),
        checkpointing=checkpointing,
    )
    terms = memory_model.training_terms(read_shape(base / "config.json"), run, overhead_bytes=0)
    assert sum(terms.values()) == pytest.approx(peak, rel=0.25), terms


def test_the_driver_and_torch_agree_on_the_gpu():
    import torch

    name, total, free = gpu_memory.memory_of_gpu()
    assert total == pytest.approx(torch.cuda.mem_get_info()[1], rel=0.03) and 0 < free <= total
    assert name == torch.cuda.get_device_name()
