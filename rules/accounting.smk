"""What the run may cost: where jobs write what they use, price and cap, and optional work that was dropped.

Needs the config. Jobs learn of it by the environment, never by a parameter: another price, a raised cap or other
places make no result anew.
"""

import os

from workflow_scripts.core import usage
from workflow_scripts.core.budget import dropping
from workflow_scripts.core.budget.prices import price_of

BUDGET_FOLDER = workflow.pathvars.apply("<results>/budget")
PROJECTIONS = ["projection-sft.json", "projection-pilot.json", "plan.json"]  # the best one first

try:
    PRICE = price_of(config["budget"])
    DROPPED = dropping.active(
        f"{BUDGET_FOLDER}/{dropping.RECORD}", dropping.circumstances(config["budget"], PRICE)
    )
except InputError as error:
    raise WorkflowError(str(error))

config["dpo"]["variants"] = dropping.kept(config["dpo"]["variants"], DROPPED)
os.environ[usage.ACCOUNT] = canonical_json(
    {
        "directory": workflow.pathvars.apply("<results>/usage"),
        "dollars_per_hour": PRICE,
        "cap": config["budget"]["cap"],
        "reserve_seconds": config["budget"]["reserve_seconds"],
        "projections": [f"{BUDGET_FOLDER}/{name}" for name in PROJECTIONS],
    }
)


def budget_settings():
    """What plans and projections are made from, and what is left out already."""
    slices = "budget test_set generation sft sft_longer preferences dpo evaluation statistics".split()
    return canonical_json({**{name: config[name] for name in slices}, "dropped": DROPPED})


def budget_gate_settings():
    """What the budget gates judge by, beside price and cap, which they read in the environment."""
    gate = {
        "name": "budget",
        "criteria": config["gates"]["budget"],
        "override": config["overrides"].get("budget"),
    }
    slices = {name: config[name] for name in ("budget", "sft_longer")}
    return canonical_json({"gate": gate, "dropped": DROPPED, **slices})


os.environ |= {"CAI_BUDGET": budget_settings(), "CAI_BUDGET_GATE": budget_gate_settings()}


def model_config():
    """The config.json of a local base; none for a hub repository, whose sizes are in `budget.model`."""
    path = config["base_model"]["path"]
    return [f"{path}/config.json"] if path else []


def model_config_argument(wildcards, input):
    """The option that names it."""
    return ["--model-config", *input.model_config] if input.model_config else []


def budget_benchmarks():
    """The benchmark files that the configuration takes measured rates from, if it does."""
    measured = config["budget"]["benchmarks"]
    return sorted(map(str, Path(measured["directory"]).glob("*.jsonl"))) if measured else []


def calibration_examples(wildcards):
    """The training examples, once SFT was trained on them."""
    return "<results>/sft_data/train.parquet" if wildcards.moment == "sft" else []


def calibration_follows(wildcards):
    """The gate after which a projection is made anew."""
    return f"<results>/gates/{wildcards.moment}.json"
