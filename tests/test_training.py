"""Real trainings of tiny models through the command-line modules: what is learned, written, kept and
refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import tiny_models, training_files
from tests.power_cut import power_cut
from workflow_scripts import merge_adapter, train_dpo, train_sft
from workflow_scripts.core import engines, hashing, prompts, schemas
from workflow_scripts.core import training as training_core
from workflow_scripts.core.engines.loading import load_engine

SFT, DPO = training_files.SFT, training_files.DPO
OUTPUTS = ("adapter_model.safetensors", "adapter_config.json", "training.json", "metrics.parquet")
# Dropout and a short last batch: a resume must restore the random generators and the order of the rows.
RESUMED = {
    **SFT,
    "gradient_accumulation": 2,
    "batch_size": 6,
    "checkpoint_steps": 3,
    "lora": {**training_files.LORA, "dropout": 0.1},
}


def inputs(directory: Path, make=tiny_models.make_qwen2, **overrides) -> Path:
    """A directory with a tiny base and the input files."""
    # Tied embeddings would give the pad token, which is EOS here, a logit of 0 for ever.
    make(directory / "base", tie_word_embeddings=False, **overrides)
    training_files.write_examples(directory / "train.parquet")
    training_files.write_pairs(directory / "pairs.parquet")
    training_files.write_dev(directory / "dev.parquet")
    training_files.write_template(directory / "completion.j2")
    return directory


def sft(directory: Path, name: str, settings: dict = SFT, model: str = "base", **more) -> dict:
    """Run train_sft; its training.json."""
    out = directory / name
    data = directory / "train.parquet"
    train_sft.main(training_files.command_line(out, directory / model, "sft", settings, data, **more))
    return json.loads((out / "training.json").read_text())


def dpo(directory: Path, name: str, settings: dict = DPO, model: str = "sft-merged") -> dict:
    """Run train_dpo; its training.json."""
    out = directory / name
    train_dpo.main(
        training_files.command_line(out, directory / model, "dpo", settings, directory / "pairs.parquet")
    )
    return json.loads((out / "training.json").read_text())


def merge(directory: Path, model: str, name: str) -> Path:
    """Run merge_adapter on the outputs of a training; the merged directory."""
    merged = directory / f"{name}-merged"
    words = ["--model", directory / model, "--weights", directory / name / OUTPUTS[0]]
    words += ["--adapter-config", directory / name / OUTPUTS[1], "--merged", merged]
    words += ["--manifest", f"{merged}.json"]
    merge_adapter.main([str(word) for word in words])
    return merged


def digests(directory: Path) -> dict:
    return {name: hashing.sha256_file(directory / name) for name in OUTPUTS}


def texts(model: Path, adapter: Path | None = None) -> list[tuple]:
    """Greedy answers to instructions that were not trained on: (text, why it ended)."""
    engine = load_engine(training_files.ENGINE, model, adapter)
    asked = [f"Question: {text}\nAnswer:" for text in training_files.instructions(8, start=500)]
    ids = [prompts.encode(engine.tokenizer, text) for text in asked]
    greedy = engines.Sampling(max_new_tokens=8, temperature=0.0)
    return [(g.text, g.finish_reason) for g in engine.generate(ids, [0] * len(ids), greedy)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Inputs, an SFT ("sft", merged) and a DPO ("dpo") from it."""
    directory = inputs(tmp_path_factory.mktemp("trained"))
    sft(directory, "sft")
    merge(directory, "base", "sft")
    dpo(directory, "dpo")
    return directory


def record(directory: Path) -> dict:
    return json.loads((directory / "training.json").read_text())


def test_sft_learns_the_answer_and_to_end_after_it(trained):
    result = record(trained / "sft")
    assert result["dev_success"][-1]["success"] == result["best_dev_success"] == 1.0
    assert result["final_loss"] < 0.2 < result["first_step_loss"]
    assert texts(trained / "sft-merged") == [(" owl", "eos")] * 8


def test_training_record_counts_what_was_trained(trained):
    result = record(trained / "sft")
    assert (result["steps"], result["epochs"], result["examples"]) == (15, 3.0, 40)
    assert result["trained_tokens"] == 3 * 40 * 2  # " owl" and EOS, three times
    lengths = sum(len(row["input_ids"]) for row in _features(trained))
    assert result["tokens_seen"] == 3 * lengths
    assert result["adapter_sha256"] == hashing.sha256_file(trained / "sft" / OUTPUTS[0])
    assert result["stopped_early"] is False and result["truncated_examples"] == 0


def _features(directory: Path) -> list[dict]:
    from workflow_scripts.core import models, training_data

    tokenizer = models.load_tokenizer(directory / "base")
    rows = schemas.read_records(directory / "train.parquet", schemas.SFT_EXAMPLES)
    return training_data.sft_features(tokenizer, rows, 64, "rows")


def test_the_trainers_batches_hold_labels_on_completion_and_eos_alone(trained, tmp_path):
    from workflow_scripts.core import training_setup

    trainer, _ = training_setup.sft_trainer(_inputs(trained), tmp_path)
    tokenizer = trainer.processing_class
    seen = 0
    for batch in trainer.get_train_dataloader():
        for ids, labels, mask in zip(
            batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True
        ):
            trained_places = [place for place, label in enumerate(labels.tolist()) if label != -100]
            prompt = tokenizer.decode(ids[: trained_places[0]])
            assert prompt.startswith("Question:") and prompt.endswith("\nAnswer:")
            assert tokenizer.decode(ids[trained_places]) == " owl<|endoftext|>"
            assert trained_places[-1] == int(mask.sum()) - 1  # padding, though it is EOS too, is not trained
            assert labels[trained_places].tolist() == ids[trained_places].tolist()
            seen += 1
    assert seen == 40
    assert {p.dtype.__str__() for p in trainer.model.parameters() if p.requires_grad} == {"torch.float32"}


def _inputs(directory: Path, stage: str = "sft", model: str = "base", **settings):
    from workflow_scripts.core import training_setup

    return training_setup.Inputs(
        model=str(directory / model),
        data=str(directory / ("train.parquet" if stage == "sft" else "pairs.parquet")),
        dev=str(directory / "dev.parquet"),
        template=str(directory / "completion.j2"),
        settings={**(SFT if stage == "sft" else DPO), **settings},
        engine=training_files.ENGINE,
        evaluation=training_files.EVALUATION,
        seed=1,
    )


def test_nothing_of_the_machine_is_written(trained):
    for stage in ("sft", "dpo"):
        for name in ("adapter_config.json", "training.json"):
            text = (trained / stage / name).read_text()
            assert str(trained) not in text and "/tmp" not in text and "runtime" not in text
    config = json.loads((trained / "sft" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "base"
    assert config["target_modules"] == sorted(config["target_modules"])
    assert "lm_head" not in config["target_modules"]
    assert not (trained / "sft" / ".state").exists()


def test_metrics_hold_every_step_and_the_dev_success_of_every_epoch(trained):
    rows = schemas.read_records(trained / "dpo" / "metrics.parquet", schemas.TRAINING_METRICS)
    steps = record(trained / "dpo")["steps"]
    by_name = {}
    for row in rows:
        by_name.setdefault(row["name"], []).append(row["step"])
    for name in ("loss", "learning_rate", "grad_norm", "rewards/chosen", "rewards/rejected"):
        assert by_name[name] == list(range(1, steps + 1))
    for name in ("rewards/margins", "rewards/accuracies"):
        assert by_name[name] == list(range(1, steps + 1))
    assert by_name["dev_success"] == [3, 6]
    assert not [name for name in by_name if "runtime" in name or "second" in name]


def test_dpo_starts_at_its_reference_and_widens_the_margin(trained):
    result = record(trained / "dpo")
    assert abs(result["first_step_loss"] - 0.6931471805599453) < 1e-4
    assert abs(result["first_step_margin"]) < 1e-4
    assert result["reference"]["adapter_sha256"] == record(trained / "sft")["adapter_sha256"]
    rows = schemas.read_records(trained / "dpo" / "metrics.parquet", schemas.TRAINING_METRICS)
    margins = [row["value"] for row in rows if row["name"] == "rewards/margins"]
    assert margins[-1] > 0.5 and result["final_loss"] < 0.6


def test_reference_computed_before_or_during_training_gives_the_same_adapter(trained):
    result = dpo(trained, "dpo-online", {**DPO, "precompute_reference": False})
    same = result["adapter_sha256"] == record(trained / "dpo")["adapter_sha256"]
    assert same or abs(result["final_loss"] - record(trained / "dpo")["final_loss"]) < 1e-4


def test_dpo_with_a_likelihood_term_keeps_the_margin_check(trained):
    result = dpo(trained, "dpo-nll", {**DPO, "epochs": 1, "nll_weight": 0.2})
    assert abs(result["first_step_margin"]) < 1e-4 and result["first_step_loss"] > 0.7


def test_a_reference_that_is_not_the_policy_stops_dpo(trained, tmp_path):
    import torch

    from workflow_scripts.core import training_setup
    from workflow_scripts.core.errors import InputError

    trainer, _ = training_setup.dpo_trainer(_inputs(trained, "dpo", "sft-merged"), tmp_path)
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if "lora_B" in name:
                parameter += 0.02
    with pytest.raises(InputError, match="policy and reference differ before the first update"):
        trainer.train()


def test_dpo_refuses_a_model_that_no_adapter_was_merged_into(trained, capsys):
    with pytest.raises(SystemExit):
        dpo(trained, "dpo-raw", model="base")
    assert "give the merged SFT model" in capsys.readouterr().err
    assert not list((trained / "dpo-raw").glob("*"))


@pytest.mark.parametrize("make", [tiny_models.make_qwen2, tiny_models.make_llama])
def test_merged_model_answers_as_the_adapter_does(make, tmp_path):
    inputs(tmp_path, make)
    sft(tmp_path, "sft", {**SFT, "epochs": 1, "learning_rate": 3e-3})
    merged = merge(tmp_path, "base", "sft")
    answers = texts(merged)
    assert answers == texts(tmp_path / "base", tmp_path / "sft") != texts(tmp_path / "base")
    before = hashing.sha256_tree(merged)
    merge(tmp_path, "base", "sft")
    assert hashing.sha256_tree(merged) == before
    assert "chat_template" not in (merged / "tokenizer_config.json").read_text()
    assert str(tmp_path) not in "".join(path.read_text() for path in merged.glob("*.json"))


def test_merge_keeps_the_bases_dtype_and_leaves_a_chat_template_out(trained, tmp_path):
    import torch

    from workflow_scripts.core import models

    base = tmp_path / "base"
    models.load_model(trained / "base").to(torch.bfloat16).save_pretrained(base)
    tokenizer = models.load_tokenizer(trained / "base")
    tokenizer.chat_template = "{{ messages }}"
    tokenizer.save_pretrained(base)
    words = ["--model", base, "--weights", trained / "sft" / OUTPUTS[0]]
    words += ["--adapter-config", trained / "sft" / OUTPUTS[1], "--merged", tmp_path / "merged"]
    words += ["--manifest", tmp_path / "merged.json"]
    merge_adapter.main([str(word) for word in words])
    assert models.load_model(tmp_path / "merged", "auto").dtype == torch.bfloat16
    assert _mentions_chat_template(base) and not _mentions_chat_template(tmp_path / "merged")


def _mentions_chat_template(directory: Path) -> bool:
    return any(
        "chat_template" in path.name or "chat_template" in path.read_text()
        for path in [*directory.glob("*.jinja"), *directory.glob("*.json")]
    )


def test_an_adapter_of_another_model_is_refused(trained, tmp_path, capsys):
    inputs(tmp_path, num_hidden_layers=3)
    words = ["--model", tmp_path / "base", "--weights", trained / "sft" / OUTPUTS[0]]
    words += ["--adapter-config", trained / "sft" / OUTPUTS[1], "--merged", tmp_path / "merged"]
    words += ["--manifest", tmp_path / "merged.json"]
    with pytest.raises(SystemExit):
        merge_adapter.main([str(word) for word in words])
    assert "trained on another model" in capsys.readouterr().err
    assert not (tmp_path / "merged").exists()


def test_control_takes_exactly_the_steps_of_the_other_training(trained):
    result = sft(trained, "sft-longer", model="sft-merged", **{"steps-from": trained / "dpo/training.json"})
    assert result["steps"] == record(trained / "dpo")["steps"] == 6
    assert result["epochs"] == pytest.approx(1.2)
    assert [entry["step"] for entry in result["dev_success"]] == [5, 6]
    assert result["stage"] == "train_sft_longer" and result["stopped_early"] is False


def test_training_stops_when_dev_success_stays_and_keeps_the_best_epoch(trained):
    settings = {**SFT, "epochs": 6, "early_stopping": {"patience": 2, "min_delta": 0.0}}
    result = sft(trained, "early", settings)
    success = [entry["success"] for entry in result["dev_success"]]
    first_best = success.index(max(success))
    assert result["stopped_early"] and len(success) == first_best + 3 < 6
    assert result["best_epoch"] == first_best + 1
    assert result["steps"] == 5 * len(success) and result["planned_steps"] == 30


@pytest.fixture(scope="module")
def uninterrupted(trained) -> dict:
    sft(trained, "whole", RESUMED)
    return digests(trained / "whole")


@pytest.mark.parametrize(
    ("step", "where"),
    [
        (2, "step"),
        (5, "step"),
        (8, "before epoch's dev"),
        (8, "after epoch's dev"),
        (12, "after epoch's dev"),
    ],
)
def test_resumed_training_is_bitwise_the_uninterrupted_one(trained, uninterrupted, step, where, capsys):
    name = f"resumed-{step}-{where.split()[0]}"
    with power_cut(step, where):
        sft(trained, name, RESUMED)
    assert [path.name for path in (trained / name).iterdir()] == [".state"]
    sft(trained, name, RESUMED)
    assert ("goes on after step" in capsys.readouterr().err) == (step > 3)
    assert digests(trained / name) == uninterrupted
    assert not (trained / name / ".state").exists()


def test_only_outputs_are_made_again_when_training_itself_was_over(
    trained, uninterrupted, monkeypatch, capsys
):
    def full_disk(*arguments):
        raise OSError("no space left")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(training_core, "write_json", full_disk)
        sft(trained, "unwritten", RESUMED)
    capsys.readouterr()
    sft(trained, "unwritten", RESUMED)
    assert "steps/s" not in capsys.readouterr().err
    assert digests(trained / "unwritten") == uninterrupted


def test_changed_settings_or_inputs_do_not_resume(trained, capsys):
    with power_cut(5):
        sft(trained, "changed", RESUMED)
    sft(trained, "changed", {**RESUMED, "learning_rate": 9e-3})
    assert "goes on after step" not in capsys.readouterr().err
    assert not (trained / "changed" / ".state").exists()


def test_resumed_dpo_is_bitwise_the_uninterrupted_one(trained):
    settings = {**DPO, "checkpoint_steps": 2}
    dpo(trained, "dpo-whole", settings)
    with power_cut(5):
        dpo(trained, "dpo-resumed", settings)
    dpo(trained, "dpo-resumed", settings)
    assert digests(trained / "dpo-resumed") == digests(trained / "dpo-whole")


def test_killed_process_resumes_and_another_hash_seed_changes_nothing(trained, uninterrupted):
    """kill -9 in the middle, in a process of its own with another order of sets."""
    words = training_files.command_line(
        trained / "killed", trained / "base", "sft", RESUMED, trained / "train.parquet"
    )
    command = [sys.executable, "-m", "workflow_scripts.train_sft", *words]
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(command, env=environment, cwd=root, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 300
    while not list((trained / "killed").glob(".state/*/checkpoint-*/complete")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not [name for name in OUTPUTS if (trained / "killed" / name).exists()]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "goes on after step" in done.stderr
    assert digests(trained / "killed") == uninterrupted


def test_a_loss_that_is_no_number_stops_training_with_the_setting_to_change(trained, tmp_path):
    from workflow_scripts.core import training_setup
    from workflow_scripts.core.errors import InputError

    trainer, _ = training_setup.sft_trainer(_inputs(trained), tmp_path)
    with pytest.raises(InputError, match="learning_rate = 0.01: the loss is nan"):
        trainer.log({"loss": float("nan")})


def test_an_unknown_dpo_loss_is_refused(trained, tmp_path):
    from workflow_scripts.core import training_setup
    from workflow_scripts.core.errors import InputError

    with pytest.raises(InputError, match="loss_type = 'sigmoyd': give one of sigmoid"):
        training_setup.dpo_trainer(_inputs(trained, "dpo", "sft-merged", loss_type="sigmoyd"), tmp_path)


def test_steps_come_from_a_training_record_only(trained, tmp_path):
    from workflow_scripts.core.errors import InputError

    assert training_core.steps_of(trained / "dpo" / "training.json") == 6
    (tmp_path / "other.json").write_text('{"steps": 0}')
    for wrong in (tmp_path / "absent.json", tmp_path / "other.json", trained / "sft" / "adapter_config.json"):
        with pytest.raises(InputError, match="steps"):
            training_core.steps_of(wrong)


def test_an_example_that_would_be_cut_stops_the_job_before_training(trained, capsys):
    with pytest.raises(SystemExit):
        sft(trained, "short", {**SFT, "max_length": 20})
    assert "train.parquet: max_length = 20" in capsys.readouterr().err
    assert [path.name for path in (trained / "short").iterdir()] == [".state"]
