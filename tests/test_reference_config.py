"""The reference plan, config/qwen2.5-32b.yaml: its graph is built on any machine, and its parts agree."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.budget_files import REFERENCE, shipped
from workflow_scripts.core import task_splits, tasks
from workflow_scripts.core.config_validation import check_config
from workflow_scripts.core.deduplication.held_out import HeldOutSet, read_sentinels
from workflow_scripts.core.deduplication.selection import overlaps, repeats
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.exemplars import load_exemplars
from workflow_scripts.core.task_language import TYPES

ROOT = Path(__file__).resolve().parents[1]
CONFIG = shipped(REFERENCE)
# Jobs that load the model: what the graph is made of, and what costs.
GPU_JOBS = {
    "sentinels": 1,
    "critic_calibration": 1,
    "pilot": 1,
    "generate_shard": 10,
    "sample_candidates": 4,
    "train_sft": 1,
    "train_sft_longer": 1,
    "train_dpo": 3,
    "respond": 11,
    "respond_again": 4,
}


def test_the_graph_is_built_without_gpu_model_or_network(tmp_path):
    """No proxy is there and no name resolves to the hub: whatever asks the network fails."""
    places = json.dumps({name: str(tmp_path / name) for name in ("results", "logs", "benchmarks", "reports")})
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "--nolock"]
    command += ["--configfile", "config/config.yaml", REFERENCE, "--config", f"pathvars={places}"]
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"HF_HOME": str(tmp_path / "empty"), "https_proxy": "http://127.0.0.1:9"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", ran.stdout.split("Job stats:")[1], re.MULTILINE))
    assert {name: int(jobs[name]) for name in GPU_JOBS} == GPU_JOBS
    assert int(jobs["total"]) >= 88 and sum(GPU_JOBS.values()) == 37
    assert not list(tmp_path.iterdir())


def test_the_plan_is_what_it_says():
    records = CONFIG["generation"]["shards"] * CONFIG["generation"]["shard_size"]
    accepted, paired = CONFIG["budget"]["estimates"]["accepted"], CONFIG["budget"]["estimates"]["paired"]
    assert 15_000 <= CONFIG["sft"]["max_examples"] <= 20_000 <= records * accepted["low"]
    assert CONFIG["gates"]["generation"]["trained_records"]["at_least"] == 15_000
    pairs = (records * accepted["low"] * paired["low"] * records * accepted["high"] * paired["high"]) ** 0.5
    assert 20_000 <= pairs <= 30_000
    assert (
        CONFIG["preferences"]["sets"]["best-of-4"]["candidates"] == CONFIG["preferences"]["candidates"] == 4
    )
    assert CONFIG["preferences"]["sets"]["best-of-2"]["candidates"] == 2
    assert CONFIG["test_set"]["sizes"]["test"] == 1000
    assert CONFIG["budget"]["cap"] == 300 and CONFIG["budget"]["gpu"] == "h100-80gb"
    variants = CONFIG["dpo"]["variants"]
    assert set(variants) == {"main", "beta-0.03", "best-of-2"}
    for training in (CONFIG["sft"], *variants.values()):
        assert training["quantization"] == CONFIG["budget"]["precision"]["training"] == "nf4"
        assert training["lora"]["target_modules"] == "all-linear" and training["lora"]["rslora"]
        assert training["batch_size"] * training["gradient_accumulation"] == 16
    assert CONFIG["engine"]["backend"] == "vllm" and CONFIG["engine"]["dtype"] == "bfloat16"


def test_the_base_is_pinned_and_no_placeholder_is_accepted():
    check_config(CONFIG, ROOT)
    assert CONFIG["base_model"]["recorded_rates"] is None
    for revision in ("main", "1818d35", "", "<commit>", "X" * 40):
        base = {**CONFIG["base_model"], "revision": revision}
        with pytest.raises(InputError, match="base_model.revision"):
            check_config({**CONFIG, "base_model": base}, ROOT)
    with pytest.raises(InputError, match="base_model.revision: pin the repository"):
        check_config({**CONFIG, "base_model": {**CONFIG["base_model"], "revision": None}}, ROOT)


@pytest.fixture(scope="module")
def held_out():
    """The test, dev and calibration items of the plan, and the sentinels."""
    sizes, seed = CONFIG["test_set"]["sizes"], CONFIG["test_set"]["seed"]
    items = task_splits.draw_splits(tasks.load_tasks(CONFIG["tasks"]), sizes, seed)
    sets = []
    for split in sizes:
        rows = [item for item in items if item["split"] == split]
        columns = ([row[name] for row in rows] for name in ("record_id", "instruction", "cluster"))
        sets.append(HeldOutSet(split, "", *columns))
    return [*sets, read_sentinels(CONFIG["sentinels"])]


def test_the_worked_examples_share_nothing_with_what_is_held_out(held_out):
    exemplars = load_exemplars(CONFIG["exemplars"])
    found = overlaps(exemplars, held_out, CONFIG["deduplication"])
    assert {method for method, _ in found} == {"exact", "near", "coverage", "skeleton"}
    assert not {key: matches for key, matches in found.items() if matches}
    assert not any(repeats([entry["instruction"] for entry in exemplars], CONFIG["deduplication"]).values())
    # The rules see what they are to see: an item among the examples is found by every one of them.
    item = held_out[0].texts[0]
    planted = overlaps([{"instruction": item, "response": ""}], held_out[:1], CONFIG["deduplication"])
    assert all(planted[method, "test"] for method in ("exact", "near", "skeleton"))


def test_the_worked_examples_are_of_all_types_and_briefly_answered():
    exemplars = load_exemplars(CONFIG["exemplars"])
    assert len(exemplars) >= 24 and Counter(entry["kind"] for entry in exemplars) == dict.fromkeys(TYPES, 8)
    words = [len(entry["response"].split()) for entry in exemplars]
    assert sorted(words)[len(words) // 2] < 10 and max(words) < 40
    for entry in exemplars:
        assert entry["response"] == entry["response"].strip() and "\nQuestion:" not in entry["response"]
        assert "\n" not in entry["instruction"] and entry["instruction"] == entry["instruction"].strip()
