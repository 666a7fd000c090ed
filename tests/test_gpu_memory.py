"""A GPU without room is refused in one line before anything is loaded; on a CPU nothing is asked."""

import json
import os

import pytest
import yaml

from tests import tiny_models, training_files
from tests.budget_files import REFERENCE, shipped
from workflow_scripts import train_dpo, train_sft
from workflow_scripts.core import gpu_memory, models
from workflow_scripts.core.errors import InputError

SIZES = yaml.safe_load(open("config/gpus.yaml"))["reference_model"]


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """Puts an nvidia-smi on the PATH that tells of GPUs of so many MiB, all but `used` of it free."""

    def put(*totals: int, used: int = 0) -> None:
        lines = [
            f"{place}, GPU-{place}, NVIDIA Test {place}, {total}, {total - used}, 580.00"
            for place, total in enumerate(totals)
        ]
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "nvidia-smi").write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n")
        (folder / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setattr(models, "pick_device", lambda device: "cuda")

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # noted, so that it is as it was after the test
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    return put


@pytest.fixture
def reference(tmp_path):
    """A directory with the sizes of the reference plan's base."""
    (tmp_path / "config.json").write_text(json.dumps(SIZES))
    return tmp_path


def check(reference, stage: str, gradient_checkpointing: bool = True) -> None:
    settings = shipped(REFERENCE)
    slices = {"sft": settings["sft"], "dpo": settings["dpo"]["variants"]["main"]}
    entry = {**slices[stage], "gradient_checkpointing": gradient_checkpointing}
    sequences = entry["batch_size"] * (2 if stage == "dpo" else 1)
    gpu_memory.check_training(reference, entry, "bfloat16", sequences, entry["max_length"], stage)


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_the_reference_plan_trains_on_80_gb_and_not_on_24(gpu, reference, stage):
    gpu(81_559)
    check(reference, stage)
    gpu(24_564)
    with pytest.raises(InputError) as refused:
        check(reference, stage)
    line = str(refused.value)
    assert line.startswith("GPU memory = '25.8 of 25.8 GB are free on NVIDIA Test 0': ")
    assert f"{stage} needs 4" in line and "weights 19.2" in line and "\n" not in line
    assert "rent a larger one" in line and "gradient_checkpointing: true" in line


def test_what_others_hold_and_what_the_settings_ask_for_counts(gpu, reference):
    gpu(81_559, used=50_000)
    with pytest.raises(InputError, match="33.1 of 85.5 GB are free"):
        check(reference, "sft")
    gpu(81_559)
    with pytest.raises(InputError, match="activations"):
        check(reference, "sft", gradient_checkpointing=False)


def test_the_gpu_is_the_one_that_the_job_may_use(gpu, reference, monkeypatch):
    gpu(81_559, 24_564)
    check(reference, "sft")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(InputError, match="NVIDIA Test 1"):
        check(reference, "sft")


def engine(**changes) -> dict:
    return {"backend": "vllm", "dtype": "bfloat16", "device": "auto", "max_model_len": 1024} | changes


def test_generation_needs_the_weights_and_a_cache_that_is_of_use(gpu, reference):
    gpu(81_559)
    gpu_memory.check_generation(engine(), reference)
    gpu(49_140)
    gpu_memory.check_generation(engine(quantization="fp8_per_block"), reference)
    gpu_memory.check_generation(engine(device="cpu"), reference)
    with pytest.raises(InputError, match=r"the model with its cache needs 7\d\.\d GB \(weights 65.5"):
        gpu_memory.check_generation(engine(), reference)


def test_an_engine_is_refused_before_it_is_loaded(gpu, reference):
    from workflow_scripts.core.engines.loading import load_engine

    gpu(24_564)
    for backend in ("vllm", "transformers"):
        with pytest.raises(InputError, match="GPU memory = '25.8 of 25.8 GB are free"):
            load_engine(engine(backend=backend, batch_size=8), reference)


def test_a_model_of_other_sizes_is_not_judged(gpu, tmp_path, capsys):
    gpu(1_000)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_embd": 768}')
    gpu_memory.check_generation(engine(), tmp_path)
    assert "the GPU's memory is not checked" in capsys.readouterr().err


@pytest.mark.parametrize(("stage", "main"), [("sft", train_sft.main), ("dpo", train_dpo.main)])
def test_a_training_ends_in_one_line_before_the_model_is_read(
    tmp_path, gpu, capsys, monkeypatch, stage, main
):
    tiny_models.make_qwen2(tmp_path / "base")
    (tmp_path / "base/merge.json").write_text("{}")
    training_files.write_examples(tmp_path / "sft.parquet")
    training_files.write_pairs(tmp_path / "dpo.parquet")
    training_files.write_dev(tmp_path / "dev.parquet")
    training_files.write_template(tmp_path / "completion.j2")
    gpu(400)

    def read(*arguments, **named):
        raise AssertionError("the model was read")

    monkeypatch.setattr(models, "load_model", read)
    settings = training_files.SFT if stage == "sft" else training_files.DPO
    words = training_files.command_line(
        tmp_path / "out", tmp_path / "base", stage, settings, tmp_path / f"{stage}.parquet"
    )
    with pytest.raises(SystemExit):
        main(words)
    lines = [line for line in capsys.readouterr().err.splitlines() if "GPU memory" in line]
    assert len(lines) == 1 and "GPU memory = '0.4 of 0.4 GB are free on NVIDIA Test 0'" in lines[0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".state"]
