"""A plan made through the real command line, from the shipped configuration; benchmark entries."""

import copy
import json
from pathlib import Path

import yaml

from workflow_scripts import plan_budget
from workflow_scripts.core.budget.inputs import TEMPLATES
from workflow_scripts.core.variants import completed

SLICES = (
    "budget",
    "test_set",
    "generation",
    "sft",
    "sft_longer",
    "preferences",
    "dpo",
    "evaluation",
    "statistics",
)
REFERENCE = "config/qwen2.5-32b.yaml"
CATALOGUE = "config/gpus.yaml"


def merged(base: dict, overlay: dict) -> dict:
    """A configuration with an overlay on it, as Snakemake merges them."""
    result = copy.deepcopy(base)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def shipped(*overlays: str) -> dict:
    """The shipped configuration with overlay files."""
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    for path in overlays:
        config = merged(config, yaml.safe_load(Path(path).read_text()))
    config["dpo"]["variants"] = completed(config["dpo"]["variants"])
    return config


def plan_arguments(config: dict, directory: Path, catalogue=CATALOGUE, benchmarks=()) -> list[str]:
    """The command line of plan_budget for a configuration; writes below `directory`."""
    model = config["base_model"]["path"]
    return [
        *["--settings", json.dumps({name: config[name] for name in SLICES}), "--catalogue", str(catalogue)],
        *(["--model-config", f"{model}/config.json"] if model else []),
        *["--exemplars", config["exemplars"], "--constitution", config["constitution"]],
        *[argument for name in TEMPLATES for argument in (f"--{name}-template", config["prompts"][name])],
        *["--benchmarks", *map(str, benchmarks)],
        *["--plan", str(directory / "plan.json"), "--figure", str(directory / "frontier.svg")],
    ]


def make_plan(config: dict, directory: Path, **options) -> dict:
    """The plan that the command line writes."""
    plan_budget.main(plan_arguments(config, directory, **options))
    return json.loads((directory / "plan.json").read_text())


def write_benchmark(directory: Path, rule: str, seconds: float, **more) -> Path:
    """A benchmark file as Snakemake writes it; `more` may hold wildcards and params."""
    entry = {"rule_name": rule, "s": seconds, "wildcards": {}, "params": {}, **more}
    name = "-".join([rule, *map(str, entry["wildcards"].values())])
    path = directory / f"{name}.jsonl"
    path.write_text(json.dumps(entry) + "\n")
    return path
