"""One load for several shards, in the real workflow: it reruns nothing, and a killed job loses no shard."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.budget_files import REFERENCE, make_plan, shipped
from tests.conftest import TINY
from tests.test_rerun_contract import copy, dry_run  # noqa: F401 (copy is a fixture)
from workflow_scripts.core.schemas import RECORDS, read_records

NO_HOURS = {"low": 0.0, "high": 0.0}
SHARDS, BEFORE = 6, 2  # shards in all, and those that the finished run has
FILES = [f"results/generation/shard-{shard:03d}.parquet" for shard in range(SHARDS)]


def configure(directory: Path, **generation) -> None:
    """Writes keys of `generation` and `preferences` into the tiny configuration."""
    content = yaml.safe_load((directory / TINY).read_text())
    content["generation"] |= generation
    content["preferences"]["shards_per_load"] = generation["shards_per_load"]
    (directory / TINY).write_text(yaml.safe_dump(content))


def test_how_many_shards_a_load_serves_reruns_the_plan_alone(copy):  # noqa: F811
    """The plan counts the loads. Nothing that makes, reads or judges a record runs again."""
    for shards_per_load in (1, 100):
        configure(copy, shards_per_load=shards_per_load)
        rerun = {job.rule for job in dry_run(copy)}
        assert rerun <= {"manifest"} | {rule for rule in rerun if "budget" in rule}


def shards_command() -> list[str]:
    snakemake = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--configfile", TINY]
    return [*snakemake, "--cores", "1", "--", *FILES]


def environment() -> dict:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run_shards(directory: Path) -> None:
    command, streams = (
        shards_command(),
        {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True},
    )
    subprocess.run(
        [*command[:3], "--unlock", *command[3 : -len(FILES) - 1]], cwd=directory, env=environment()
    )
    result = subprocess.run(command, cwd=directory, env=environment(), **streams)
    assert result.returncode == 0, result.stdout[-4000:]


def made_in(directory: Path) -> list[str]:
    """The shards that the logs of all jobs say were made, sorted."""
    logs = "".join(path.read_text() for path in directory.glob("logs/generate_shard-*.log"))
    return sorted(re.findall(r"^generate_shard (\d{3}): \d+ of \d+ records accepted$", logs, re.MULTILINE))


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_a_killed_job_loses_no_shard_and_a_restart_makes_the_missing_ones(finished_run, copy, tmp_path):  # noqa: F811
    undisturbed = tmp_path / "undisturbed"
    subprocess.run(["cp", "-a", str(copy), str(undisturbed)], check=True)
    configure(copy, shards=SHARDS, shards_per_load=SHARDS)
    for log in copy.glob("logs/generate_shard-*.log"):
        log.unlink()
    process = subprocess.Popen(
        shards_command(), cwd=copy, env=environment(), stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 240
    while len(stored := sorted(copy.glob("results/generation/.state/*/*-made.parquet"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(3)  # the orphaned job ends itself
    stored = sorted(copy.glob("results/generation/.state/*/*-made.parquet"))
    assert 2 <= len(stored) < SHARDS - BEFORE, "killed in the middle"
    finished = {path.name.removesuffix("-made.parquet"): path.read_bytes() for path in stored}
    killed = made_in(copy)
    assert killed == [name[-3:] for name in finished]

    run_shards(copy)
    for name, content in finished.items():
        assert (copy / f"results/generation/{name}.parquet").read_bytes() == content
    again = [shard for shard in made_in(copy) if shard not in killed]
    missing = {f"{shard:03d}" for shard in range(BEFORE, SHARDS)} - set(killed)
    assert sorted(again) == sorted(missing)

    configure(undisturbed, shards=SHARDS, shards_per_load=1)
    run_shards(undisturbed)
    for file in FILES:
        assert (copy / file).read_bytes() == (undisturbed / file).read_bytes()
        assert len(read_records(copy / file, RECORDS)) == 48
    assert all((copy / file).read_bytes() == (finished_run / file).read_bytes() for file in FILES[:BEFORE])


def test_loading_takes_less_than_a_twentieth_of_the_reference_plan(tmp_path):
    """All that reads or writes weights, merges too, at the lower and at the upper bound of the plan."""
    plan = make_plan(shipped(REFERENCE), tmp_path)
    for bound in ("low", "high"):
        loading = sum(stage["hours_by_term"].get("weight_loads", NO_HOURS)[bound] for stage in plan["stages"])
        assert 0 < loading < 0.05 * plan["total"]["all"]["hours"][bound]
