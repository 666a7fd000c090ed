"""A cap that is crossed in the middle of generation and of training, then raised: nothing is made twice, and
the end is the same to the byte as that of a run without a cap."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.conftest import TINY, copy_sources
from tests.usage_records import write_usage
from workflow_scripts.core.usage_files import read_attempts

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]
TARGET = "results/models/sft/training.json"
# Small batches and larger shards, so that there is a middle to be met; both shards with one loaded model.
SLOWLY = {
    "engine": {"batch_size": 4},
    "generation": {"shards": 2, "shards_per_load": 2, "shard_size": 192},
    "sft": {"batch_size": 1, "epochs": 2, "early_stopping": None},
}
FILES = ("generation/shard-*.parquet", "sft_data/*.parquet", "models/sft/*.*")


def start(directory: Path, cap: float | None) -> subprocess.Popen:
    """Snakemake up to the SFT adapter, with a cap."""
    overlay = SLOWLY | {"budget": {"cap": cap, "reserve_seconds": 0}}
    (directory / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--cores", "2"]
    command += ["--resources", "gpu=1"]  # one job with a model at a time
    command += ["--configfile", TINY, "overlay.yaml", "--", TARGET]
    log = (directory / "run.log").open("a")
    return subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen, directory: Path) -> str:
    """What a run that must end well said."""
    assert process.wait() == 0, (directory / "run.log").read_text()[-6000:]
    return (directory / "run.log").read_text()


def hashes(directory: Path) -> dict[str, str]:
    """SHA-256 of all that is made from generation on."""
    files = [path for pattern in FILES for path in (directory / "results").glob(pattern)]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def spend_elsewhere(directory: Path, process: subprocess.Popen, when: str, job: str) -> None:
    """Another machine spends $100 as soon as a job has written what is waited for."""
    usage = directory / "results/usage"
    while process.poll() is None:
        if any(when in path.read_text() for path in usage.glob(f"*-{job}*.jsonl")):
            write_usage(usage, "respond elsewhere", 3600, price=100.0)
            return
        time.sleep(0.05)
    raise AssertionError(f"{job} never wrote {when}: {(directory / 'run.log').read_text()[-3000:]}")


def attempts(directory: Path, rule: str) -> list:
    return [attempt for attempt in read_attempts(directory / "results/usage") if attempt.rule == rule]


@pytest.fixture(scope="module")
def uncapped(tmp_path_factory) -> Path:
    """A run without a cap."""
    directory = copy_sources(tmp_path_factory.mktemp("uncapped"))
    finish(start(directory, None), directory)
    return directory


def test_a_cap_crossed_twice_and_raised_gives_the_same_bytes(uncapped, tmp_path):
    run = tmp_path / "run"
    subprocess.run(["cp", "-a", str(uncapped), str(run)], check=True)
    for folder in ("generation", "sft_data", "models"):
        shutil.rmtree(run / "results" / folder)
    for path in (run / "results/usage").glob("*.jsonl"):
        if "generate_shard" in path.name or "train_sft" in path.name:
            path.unlink()

    # In the middle of generation: one shard is made, the other not yet. Either job may begin.
    process = start(run, 5)
    spend_elsewhere(run, process, '"event": "made"', "generate_shard")
    assert process.wait() != 0
    said = (run / "run.log").read_text()
    assert "budget.cap = 5: $100" in said and "so this job ends in order; raise it and run again" in said
    [stopped] = attempts(run, "generate_shard")
    assert stopped.status == "stopped" and len(stopped.made) == 1
    assert not (run / TARGET).exists() and len(list((run / "results/generation").glob("shard-*.parquet"))) < 2

    # The cap is not raised: the next job with a model is refused before it loads anything.
    assert start(run, 5).wait() != 0
    assert "budget.cap = 5: $100" in (run / "run.log").read_text().removeprefix(said)
    assert len(attempts(run, "generate_shard")) == 1

    # Raised, and crossed in the middle of training, which leaves a checkpoint.
    process = start(run, 150)
    spend_elsewhere(run, process, '"training_tokens"', "train_sft")
    assert process.wait() != 0
    [training] = attempts(run, "train_sft")
    assert training.status == "stopped" and not (run / TARGET).exists()
    steps = [path.name for path in (run / "results/models/sft/.state").glob("*/checkpoint-*")]
    assert steps

    # Raised again.
    said = finish(start(run, 1000), run)
    assert "goes on after step" in said
    assert hashes(run) == hashes(uncapped) and len(hashes(run)) >= 6
    made = [name for attempt in attempts(run, "generate_shard") for name in attempt.made]
    assert sorted(made) == ["generate_shard 000", "generate_shard 001"]
    assert [attempt.status for attempt in attempts(run, "train_sft")] == ["stopped", "completed"]
    seen = sum(attempt.counts["training_tokens"] for attempt in attempts(run, "train_sft"))
    assert seen == json.loads((run / TARGET).read_text())["tokens_seen"]  # no step was taken twice
    earlier = {path.name for path in (uncapped / "results/usage").glob("*.jsonl")}
    repeated = [
        a for a in read_attempts(run / "results/usage") if Path(a.file).name not in earlier and a.devices
    ]
    assert {attempt.rule for attempt in repeated} == {"generate_shard", "train_sft", "respond"}
    assert [attempt.part for attempt in repeated if attempt.rule == "respond"] == ["elsewhere"] * 2
