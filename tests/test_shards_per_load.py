"""One load for several shards: it reruns the plan alone, a killed job loses no shard, and it is cheap."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.budget_files import REFERENCE, make_plan, shipped
from tests.conftest import TINY, run_snakemake
from tests.test_rerun_contract import copy, dry_run  # noqa: F401 (copy is a fixture)
from workflow_scripts.core import constitution
from workflow_scripts.core.outputs import write_json

NO_HOURS = {"low": 0.0, "high": 0.0}
SHARDS = 5
# What shows the plan's numbers.
PAGES = {
    "automation",
    "cost_ledger",
    "cost_page",
    "report_figures",
    "report_tables",
    "summary_page",
    "manifest",
}


def test_loading_takes_less_than_a_twentieth_of_the_reference_plan(tmp_path):
    """All that reads or writes weights, merges too, at the lower and at the upper bound of the plan."""
    plan = make_plan(shipped(REFERENCE), tmp_path)
    for bound in ("low", "high"):
        loading = sum(stage["hours_by_term"].get("weight_loads", NO_HOURS)[bound] for stage in plan["stages"])
        assert 0 < loading < 0.05 * plan["total"]["all"]["hours"][bound]


def test_how_many_shards_a_load_serves_reruns_the_plan_alone(copy):  # noqa: F811
    """The plan counts the loads. Nothing that makes, reads or judges a record runs again."""
    for shards_per_load in (1, 100):
        content = yaml.safe_load((copy / TINY).read_text())
        for stage in ("generation", "preferences"):
            content[stage]["shards_per_load"] = shards_per_load
        (copy / TINY).write_text(yaml.safe_dump(content))
        rerun = {job.rule for job in dry_run(copy)}
        budget = {rule for rule in rerun if "budget" in rule}
        assert budget and rerun <= budget | PAGES


def command(inputs: Path, directory: Path, shard: int, shards_per_load: int) -> list[str]:
    """The command line of one shard on the embedded base, with its inputs in a directory."""
    settings = {
        part: {**settings, "shots": 3, "guidance": None}
        for part, settings in (
            ("instruction", {"temperature": 1.0, "max_new_tokens": 24, "stop": ["\n"]}),
            ("answer", {"temperature": 0.8, "max_new_tokens": 24, "stop": ["\nQuestion:"]}),
        )
    }
    engine = {"backend": "transformers", "dtype": "float32", "device": "cpu", "batch_size": 32}
    return [
        *(sys.executable, "-m", "workflow_scripts.generate"),
        *("--settings", json.dumps({"engine": engine, "seed": 1, "generation": settings})),
        *("--identity", str(inputs / "model.json"), "--exemplars", "config/exemplars.yaml"),
        *("--instructions-template", "config/prompts/instructions.j2"),
        *("--answers-template", "config/prompts/answers.j2", "--critic-template", "config/prompts/critic.j2"),
        *("--constitution", "config/constitution.yaml"),
        *("--calibration-report", str(inputs / "calibration.json"), "--stream", "generation"),
        *("--shard", str(shard), "--shards", str(SHARDS), "--shards-per-load", str(shards_per_load)),
        *("--size", "16", "--records", str(directory / f"shard-{shard:03d}.parquet")),
    ]


def made_by(arguments: list[str]) -> list[str]:
    """Runs a job; the shards that it says it made."""
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return re.findall(r"^generate_shard (\d{3}): \d+ of 16 records accepted$", result.stderr, re.MULTILINE)


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_a_killed_job_loses_no_shard_and_the_next_makes_the_missing_ones(tmp_path):
    write_json(
        tmp_path / "model.json",
        {"label": "demo_base", "path": "resources/demo_base", "weights_sha256": "0" * 64},
    )
    prior = {principle.id: 0.0 for principle in constitution.load_constitution("config/constitution.yaml")}
    write_json(tmp_path / "calibration.json", {"threshold": 0.0, "prior": prior})
    together, alone = tmp_path / "together", tmp_path / "alone"

    process = subprocess.Popen(command(tmp_path, together, 2, SHARDS), stderr=subprocess.DEVNULL)
    while len(list(together.glob(".state/*/shard-*-made.parquet"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = {path.name[6:9]: path.read_bytes() for path in together.glob(".state/*/shard-*-made.parquet")}
    assert "002" in stored and 2 <= len(stored) < SHARDS, "killed in the middle"
    assert not list(together.glob("shard-*.parquet")), "nothing was delivered"

    missing = {f"{shard:03d}" for shard in range(SHARDS)} - stored.keys()
    first, *others = sorted(missing)
    assert sorted(made_by(command(tmp_path, together, int(first), SHARDS))) == sorted(missing)
    for shard in [*stored, *others]:
        assert made_by(command(tmp_path, together, int(shard), SHARDS)) == []
    for shard, content in stored.items():
        assert (together / f"shard-{shard}.parquet").read_bytes() == content
    assert made_by(command(tmp_path, alone, int(first), 1)) == [first]
    name = f"shard-{first}.parquet"
    assert (alone / name).read_bytes() == (together / name).read_bytes()


NAMES = [f"results/generation/shard-{shard:03d}.parquet" for shard in range(4)]
BLOCK = ["--allowed-rules", "generate_shard", "--", *NAMES]


@pytest.mark.integration
@pytest.mark.timeout(1200)
def test_a_run_killed_in_the_middle_of_a_block_makes_the_missing_shards_alone(copy, tmp_path):  # noqa: F811
    """Snakemake and its job at once, as when a machine is switched off."""
    content = yaml.safe_load((copy / TINY).read_text())
    content["generation"] |= {"shards": 4, "shards_per_load": 4}
    (copy / TINY).write_text(yaml.safe_dump(content))
    shutil.rmtree(copy / "results/generation")
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(copy, undisturbed, symlinks=True)
    whole = run_snakemake(undisturbed, *BLOCK)
    assert whole.returncode == 0, whole.stdout[-6000:]

    snakemake = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--configfile", TINY]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    running = subprocess.Popen(
        [*snakemake, *BLOCK],
        cwd=copy,
        env=os.environ | {"PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    generation = copy / "results/generation"
    while len(stored := list(generation.glob(".state/*/shard-*-made.parquet"))) < 2:
        assert running.poll() is None
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    kept = {made.name[6:9] for made in stored}
    assert len(kept) < 4 and not list(generation.glob("shard-*.parquet")), "killed in the middle"

    assert run_snakemake(copy, "--unlock").returncode == 0
    again = run_snakemake(copy, *BLOCK)
    assert again.returncode == 0, again.stdout[-6000:]
    logs = "\n".join((copy / f"logs/generate_shard-{shard:03d}.log").read_text() for shard in range(4))
    made = re.findall(r"^generate_shard (\d{3}): \d+ of 48 records accepted$", logs, re.MULTILINE)
    assert kept.isdisjoint(made) and kept | set(made) == {f"{shard:03d}" for shard in range(4)}
    for name in NAMES:
        assert (copy / name).read_bytes() == (undisturbed / name).read_bytes(), name
