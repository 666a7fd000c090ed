"""The memory of a run's trainings beside what the memory model says of them.

    python -m benchmarks.training_memory --results results --benchmarks benchmarks

Peaks are the largest resident sets that the jobs of a finished run noted. On a CPU most of it is the process:
what it holds is measured first, by a training of one step on the shortest example and one dev item with the
run's own settings. Prints one Markdown table.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from workflow_scripts.core import models, prompts, schemas
from workflow_scripts.core.memory import training
from workflow_scripts.core.memory.shapes import read_shape
from workflow_scripts.core.usage_files import read_attempts

MIB = 2**20
RUNS = ("train_sft", "train_sft_longer", "train_dpo main")
TEMPLATE = "config/prompts/completion.j2"


def one_step(results: Path, settings: str) -> float:
    """MiB of a process that has trained one step on one example and answered one item."""
    examples = schemas.read_records(results / "sft_data/train.parquet", schemas.SFT_EXAMPLES)
    items = schemas.read_records(results / "test_set/dev.parquet", schemas.ITEMS)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        shortest = min(examples, key=lambda row: len(row["prompt"]) + len(row["completion"]))
        schemas.write_records(folder / "examples.parquet", [shortest], schemas.SFT_EXAMPLES)
        schemas.write_records(folder / "dev.parquet", items[:1], schemas.ITEMS)
        words = ["--settings", settings, "--model", str(results / "base/model.json"), "--template", TEMPLATE]
        given = {"examples": "examples.parquet", "dev": "dev.parquet", "weights": "adapter_model.safetensors"}
        made = {
            "adapter-config": "adapter_config.json",
            "training": "training.json",
            "metrics": "metrics.parquet",
        }
        for name, file in {**given, **made}.items():
            words += [f"--{name}", str(folder / file)]
        command = [sys.executable, "-m", "workflow_scripts.train_sft", *words]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MIB


def longest_example(results: Path) -> int:
    """Tokens of the longest training example."""
    tokenizer = models.load_tokenizer(models.resolve_model(results / "base/model.json"))
    rows = schemas.read_records(results / "sft_data/train.parquet", schemas.SFT_EXAMPLES)
    texts = [row["prompt"] + row["completion"] for row in rows]
    return max(map(len, prompts.encode_all(tokenizer, texts))) + 1


def main() -> None:
    """Measure the process, and hold the model against each training's peak."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--benchmarks", type=Path, default=Path("benchmarks"))
    arguments = parser.parse_args()
    benchmark = json.loads((arguments.benchmarks / "train_sft.jsonl").read_text().splitlines()[-1])
    settings = json.loads(benchmark["params"]["settings"])["sft"]
    process = one_step(arguments.results, benchmark["params"]["settings"])
    base = json.loads((arguments.results / "base/model.json").read_text())
    shape, tokens = read_shape(Path(base["path"]) / "config.json"), longest_example(arguments.results)
    run = training.Training(
        "float32",
        settings["lora"]["rank"],
        settings["lora"]["target_modules"],
        settings["batch_size"],
        tokens,
        settings["gradient_checkpointing"],
    )
    predicted = sum(training.training_terms(shape, run, process * MIB).values()) / MIB
    print(f"the process: {process:.0f} MiB; {settings['batch_size']} sequences of {tokens} tokens")
    print("| training | peak (MiB) | model (MiB) | model / peak |\n|---|---:|---:|---:|")
    for attempt in read_attempts(arguments.results / "usage"):
        if attempt.name in RUNS and attempt.status == "completed":
            peak = attempt.peak_rss_bytes / MIB
            print(f"| {attempt.name} | {peak:.0f} | {predicted:.0f} | {predicted / peak:.2f} |")


if __name__ == "__main__":
    main()
