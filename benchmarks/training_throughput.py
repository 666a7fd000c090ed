"""Times this project's trainings beside plain TRL scripts: same model, data, precision and batch size.

    python -m benchmarks.training_throughput

SFT on instructions of config/tasks/general.yaml with their references, DPO on references against typical
mistakes: texts as long and as unlike in length as those of a real run. Base: the embedded one, in float32,
with LoRA on all linear layers. After a short warm-up each way trains for one epoch, from loading to the last
step, one way after the other, several rounds over. A token is counted once, padding never.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from workflow_scripts.core import runtime

BASE, TASKS = "resources/demo_base", "config/tasks/general.yaml"
TEMPLATE = "config/prompts/completion.j2"
LORA = {"rank": 16, "alpha": 32, "rslora": False, "dropout": 0.0, "target_modules": "all-linear"}
COMMON = {
    "quantization": None,
    "gradient_checkpointing": False,
    "optimizer": "adamw_torch_fused",
    "checkpoint_steps": 100_000,
    "learning_rate": 2e-4,
    "epochs": 1,
    "gradient_accumulation": 1,
    "warmup_fraction": 0.0,
    "scheduler": "linear",
    "weight_decay": 0.0,
    "max_length": 1024,
    "early_stopping": None,
    "lora": LORA,
}
# Preference pairs are always in batches by length.
WAYS = [
    ("sft", "plain"),
    ("sft", "length_grouped"),
    ("sft", "packed"),
    ("dpo", "plain"),
    ("dpo", "by length"),
]
PREFERENCE = {"beta": 0.1, "loss_type": "sigmoid", "nll_weight": 0.0, "precompute_reference": True}


def draw(count: int) -> list[dict]:
    """Rows with prompt, right and wrong completion, and the instruction; families in turn."""
    from workflow_scripts.core import prompts, tasks

    families, template = tasks.load_tasks(TASKS).families, prompts.load_template(TEMPLATE)
    rng, rows = random.Random(0), []
    for place in range(count):
        draft = tasks.draw_item(families[place % len(families)], rng)
        prompt = prompts.render(template, instruction=draft.instruction)
        row = {"instruction": draft.instruction, "prompt": prompt}
        rows.append({**row, "right": f" {draft.reference}", "wrong": f" {draft.corruption}"})
    rng.shuffle(rows)
    return rows


def write(rows: list[dict], folder: Path) -> dict[str, Path]:
    """The rows as files of examples and of pairs."""
    from workflow_scripts.core import schemas

    common = {"seed": 0, "prompt_sha256": "", "provenance": "{}"}
    examples, pairs = [], []
    for place, row in enumerate(rows):
        record = {
            **common,
            "record_id": str(place),
            "instruction": row["instruction"],
            "prompt": row["prompt"],
        }
        example = {"source_record_id": "", "completion": row["right"], "verdict_margin": 1.0}
        examples.append({**record, **example})
        pair = {"chosen": row["right"], "rejected": row["wrong"], "chosen_id": "", "rejected_id": ""}
        margins = {"chosen_margin": 1.0, "rejected_margin": 0.0, "margin": 1.0}
        pairs.append({**record, "instruction_id": str(place), **pair, **margins})
    paths = {"sft": folder / "examples.parquet", "dpo": folder / "pairs.parquet"}
    schemas.write_records(paths["sft"], examples, schemas.SFT_EXAMPLES)
    schemas.write_records(paths["dpo"], pairs, schemas.PAIRS)
    return paths


def counted(trainer_class):
    """A trainer that counts the places of its batches, padding included."""

    class Counted(trainer_class):
        places = 0

        def training_step(self, model, inputs, *arguments, **named):
            self.places += inputs["input_ids"].numel()
            return super().training_step(model, inputs, *arguments, **named)

    return Counted


def plain(stage: str, rows: list[dict], batch_size: int, folder: Path):
    """A trainer as TRL's own examples build it."""
    import torch
    import trl
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer

    names = {"prompt": "prompt", "completion": "right"} if stage == "sft" else {}
    names = names or {"prompt": "prompt", "chosen": "right", "rejected": "wrong"}
    config, trainer = {"sft": (trl.SFTConfig, trl.SFTTrainer), "dpo": (trl.DPOConfig, trl.DPOTrainer)}[stage]
    arguments = config(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=batch_size,
        learning_rate=COMMON["learning_rate"],
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        save_strategy="no",
        disable_tqdm=True,
        report_to="none",
    )
    return counted(trainer)(
        model=AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32),
        args=arguments,
        train_dataset=Dataset.from_list([{key: row[name] for key, name in names.items()} for row in rows]),
        processing_class=AutoTokenizer.from_pretrained(BASE),
        peft_config=LoraConfig(
            r=LORA["rank"], lora_alpha=LORA["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )


def ours(stage: str, batching: str, data: Path, batch_size: int, folder: Path):
    """This project's trainer on the same rows."""
    from workflow_scripts.core import training_setup

    special = {"sft": {"max_examples": None, "batching": batching}, "dpo": PREFERENCE}[stage]
    inputs = training_setup.Inputs(
        model=BASE,
        data=str(data),
        dev="",
        template=TEMPLATE,
        settings={**COMMON, "batch_size": batch_size, **special},
        engine={"backend": "transformers", "dtype": "float32", "device": "cpu", "batch_size": 1},
        evaluation={},
        seed=1,
    )
    kind = {"sft": "SFT", "dpo": "DPO"}[stage]
    whole = getattr(training_setup, kind)
    setattr(training_setup, kind, counted(whole))
    try:
        return getattr(training_setup, f"{stage}_trainer")(inputs, folder)[0]
    finally:
        setattr(training_setup, kind, whole)


def tokens_of(stage: str, data: Path) -> int:
    """Tokens of all rows: prompt and completion with its end, of a pair both sides."""
    from workflow_scripts.core import models, schemas, training_data

    tokenizer = models.load_tokenizer(BASE)
    if stage == "sft":
        rows = schemas.read_records(data, schemas.SFT_EXAMPLES)
        return sum(len(row["input_ids"]) for row in training_data.sft_features(tokenizer, rows, 1024, data))
    rows = schemas.read_records(data, schemas.PAIRS)
    features = training_data.dpo_features(tokenizer, rows, 1024, data)
    return sum(2 * len(f["prompt_ids"]) + len(f["chosen_ids"]) + len(f["rejected_ids"]) for f in features)


def timed(stage: str, way: str, rows: list[dict], data: Path, batch_size: int, folder: Path) -> dict:
    """One whole training: {seconds, cpu_seconds, places}."""
    from transformers import PrinterCallback

    clock, work = time.perf_counter(), time.process_time()
    if way == "plain":
        trainer = plain(stage, rows, batch_size, folder)
    else:
        trainer = ours(stage, way, data, batch_size, folder)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    seconds = {"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - work}
    return {**seconds, "places": trainer.places}


def table(measured: list[dict]) -> str:
    """The measurements as Markdown; ratios are of processor time, within each round."""
    lines = ["| training | batches | padding | tokens a second | times plain TRL (in each round) |"]
    lines.append("|---|---|---:|---:|---|")
    for stage, way in WAYS:
        runs = [entry for entry in measured if (entry["stage"], entry["way"]) == (stage, way)]
        base = [entry for entry in measured if (entry["stage"], entry["way"]) == (stage, "plain")]
        rate = statistics.median(run["tokens"] / run["cpu_seconds"] for run in runs)
        ratios = [first["cpu_seconds"] / run["cpu_seconds"] for first, run in zip(base, runs, strict=True)]
        padding = 1 - runs[0]["tokens"] / runs[0]["places"]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        middle = statistics.median(ratios)
        lines.append(f"| {stage.upper()} | {way} | {padding:.0%} | {rate:,.0f} | **{middle:.2f}** ({each}) |")
    return "\n".join(lines)


def main() -> None:
    """Runs every way in turn, several rounds, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=240, help="examples, and pairs")
    parser.add_argument("--batch-size", type=int, default=16, help="examples, or half as many pairs")
    parser.add_argument("--rounds", type=int, default=3, help="times that each way runs")
    parser.add_argument("--json", type=Path, help="where to write the measurements, too")
    arguments = parser.parse_args()
    runtime.quiet_libraries()
    import torch

    torch.set_num_threads(1)
    rows, measured = draw(arguments.rows), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, part in (("warm-up", rows[:16]), ("all", rows)):
            (folder / name).mkdir()
            data = write(part, folder / name)
            tokens = {stage: tokens_of(stage, path) for stage, path in data.items()}
            for round_ in range(arguments.rounds if name == "all" else 1):
                for stage, way in WAYS:
                    size = arguments.batch_size // (1 if stage == "sft" else 2)
                    state = folder / name / f"{stage}-{way}-{round_}"
                    run = {"stage": stage, "way": way, "round": round_, "tokens": tokens[stage]}
                    run |= timed(stage, way, part, data[stage], size, state)
                    runtime.say(
                        f"{name}: {stage} {way}: {run['seconds']:.1f} s, {run['cpu_seconds']:.1f} s work"
                    )
                    measured += [run] if name == "all" else []
    print(table(measured))
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
