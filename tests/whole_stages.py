"""A generation, both trainings and the merge between them on tiny models, as one command:

python -m tests.whole_stages DIRECTORY [generation] [sft] [dpo]
"""

import sys
from pathlib import Path


def generation(directory: Path) -> None:
    """A shard of records: instructions, answers, verdicts."""
    from tests.test_generation_cli import Workspace

    assert Workspace(directory).generate(0, size=8)


def sft(directory: Path) -> None:
    """SFT with checkpoints, and its merge."""
    from tests import tiny_models, training_files
    from workflow_scripts import merge_adapter, train_sft

    tiny_models.make_qwen2(directory / "base", tie_word_embeddings=False)
    training_files.write_examples(directory / "train.parquet")
    training_files.write_dev(directory / "dev.parquet")
    training_files.write_template(directory / "completion.j2")
    # Dropout: what draws from the same generators as the training would change it.
    settings = {**training_files.SFT, "lora": {**training_files.LORA, "dropout": 0.1}, "checkpoint_steps": 3}
    out = directory / "sft"
    train_sft.main(
        training_files.command_line(out, directory / "base", "sft", settings, directory / "train.parquet")
    )
    words = ["--model", directory / "base", "--weights", out / "adapter_model.safetensors"]
    words += ["--adapter-config", out / "adapter_config.json", "--merged", directory / "sft-merged"]
    merge_adapter.main([str(word) for word in [*words, "--manifest", directory / "sft-merged.json"]])


def dpo(directory: Path) -> None:
    """DPO on the merged model, after `sft`."""
    from tests import training_files
    from workflow_scripts import train_dpo

    pairs = training_files.write_pairs(directory / "pairs.parquet")
    arguments = training_files.command_line(
        directory / "dpo", directory / "sft-merged", "dpo", training_files.DPO, pairs
    )
    train_dpo.main(arguments)


STAGES = {"generation": generation, "sft": sft, "dpo": dpo}


def run(directory: Path, names) -> None:
    """Runs the named stages."""
    from workflow_scripts.core.runtime import quiet_libraries

    quiet_libraries()  # before what makes the models imports them
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        STAGES[name](directory)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:])
