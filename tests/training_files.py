"""Files for tests of training: a tiny model, examples, pairs and dev items with one answer to learn,
settings."""

import json
from pathlib import Path

from workflow_scripts.core import schemas
from workflow_scripts.core.hashing import record_id

WORDS = ["apple", "grass", "sky", "owl", "crow", "dog", "hot", "cold", "three", "two", "red", "bird"]
TEMPLATE = "Question: {{ instruction }}\nAnswer:"
LORA = {"rank": 8, "alpha": 16, "rslora": False, "dropout": 0.0, "target_modules": "all-linear"}
ENGINE = {"backend": "transformers", "dtype": "float32", "device": "auto", "batch_size": 32}
EVALUATION = {"max_new_tokens": 8, "stop": ["\nQuestion:"]}
TRAINING = {
    "quantization": None,
    "gradient_checkpointing": False,
    "optimizer": "adamw_torch_fused",
    "checkpoint_steps": 50,
    "learning_rate": 1e-2,
    "epochs": 3,
    "batch_size": 8,
    "gradient_accumulation": 1,
    "warmup_fraction": 0.1,
    "scheduler": "cosine",
    "weight_decay": 0.0,
    "max_length": 64,
    "early_stopping": None,
    "lora": LORA,
}
SFT = {**TRAINING, "max_examples": None, "batching": "length_grouped"}
DPO = {
    **TRAINING,
    "epochs": 2,
    "beta": 0.1,
    "loss_type": "sigmoid",
    "nll_weight": 0.0,
    "precompute_reference": True,
}


def instructions(count: int, start: int = 0) -> list[str]:
    """Distinct instructions of different lengths."""
    return [
        f"Name {' '.join(WORDS[(n * 5 + k) % len(WORDS)] for k in range(1 + n % 6))} {n}."
        for n in range(start, start + count)
    ]


def _common(**content) -> dict:
    return {"record_id": record_id(**content), "seed": 0, "prompt_sha256": "", "provenance": "{}", **content}


def _prompt(instruction: str) -> str:
    return TEMPLATE.replace("{{ instruction }}", instruction)


def write_examples(path: Path, count: int = 40, completion: str = " owl") -> Path:
    """SFT examples whose completion is always the same."""
    rows = [
        _common(
            source_record_id=str(n),
            instruction=text,
            prompt=_prompt(text),
            completion=completion,
            verdict_margin=1.0,
        )
        for n, text in enumerate(instructions(count))
    ]
    schemas.write_records(path, rows, schemas.SFT_EXAMPLES)
    return path


def write_pairs(path: Path, count: int = 24, chosen: str = " crow bird", rejected: str = " owl") -> Path:
    """Preference pairs that are always the same two completions."""
    rows = [
        _common(
            instruction_id=str(n),
            instruction=text,
            prompt=_prompt(text),
            chosen=chosen,
            rejected=rejected,
            chosen_id="c",
            rejected_id="r",
            chosen_margin=1.0,
            rejected_margin=0.0,
            margin=1.0,
        )
        for n, text in enumerate(instructions(count))
    ]
    schemas.write_records(path, rows, schemas.PAIRS)
    return path


def write_dev(path: Path, answer: str = "owl", count: int = 12) -> Path:
    """Dev items whose right answer is always the same."""
    rows = []
    for text in instructions(count, start=1000):
        content = {
            "split": "dev",
            "type": "list",
            "family": "name",
            "cluster": "name/0",
            "instruction": text,
            "check": json.dumps({"kind": "exact", "accepted": [answer]}),
            "reference": answer,
            "corruption": "wrong",
        }
        row = _common(**content)
        rows.append({**row, "item_id": row["record_id"]})
    schemas.write_records(path, rows, schemas.ITEMS)
    return path


def write_template(path: Path) -> Path:
    """The completion template."""
    path.write_text(TEMPLATE, encoding="utf-8")
    return path


def command_line(
    directory: Path, model: Path, stage: str, settings: dict, data: Path, dtype: str = "float32", **more
) -> list[str]:
    """Arguments of train_sft ("sft") or train_dpo ("dpo"); outputs go into the directory."""
    inputs = directory.parent
    engine = {**ENGINE, "dtype": dtype}
    whole = {stage: settings, "engine": engine, "evaluation": EVALUATION, "seed": 1}
    flags = {
        "settings": json.dumps(whole),
        "model": model,
        {"sft": "examples", "dpo": "pairs"}[stage]: data,
        "dev": inputs / "dev.parquet",
        "template": inputs / "completion.j2",
        "weights": directory / "adapter_model.safetensors",
        "adapter-config": directory / "adapter_config.json",
        "training": directory / "training.json",
        "metrics": directory / "metrics.parquet",
        **more,
    }
    return [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
