"""The ledger: by rule, session, stage and job, live and whole; and make, which goes on after a drop."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.budget_files import make_plan, shipped
from tests.usage_records import write_usage
from workflow_scripts import cost_ledger
from workflow_scripts.core.budget import ledger
from workflow_scripts.core.usage_files import read_attempts


@pytest.fixture
def spent(tmp_path) -> Path:
    """A run that was killed once and stopped once, at $3.60 an hour: a tenth of a cent a second."""
    usage = tmp_path / "usage"
    price = {"price": 3.6}
    tokens = {"counts": {"prompt_tokens": 10.0, "generated_tokens": 5.0}}
    write_usage(usage, "pilot", 100, **tokens, **price)
    write_usage(usage, "generate_shard 000", 50, ended=None, **price)
    write_usage(
        usage, "generate_shard 000", 80, session="two", made=["generate_shard 000"], **tokens, **price
    )
    write_usage(usage, "train_sft", 200, session="two", ended="stopped", peak=7 * 10**9, **price)
    write_usage(usage, "gate pilot", 5, devices=0, **price)
    return usage


def test_every_grouping_adds_up_to_the_same(spent):
    made = ledger.make_ledger(
        read_attempts(spent), {"two": {"start": "a", "end": None, "status": "running"}}, {}
    )
    assert made["total"]["dollars"] == pytest.approx(0.43) and made["total"]["gpu_seconds"] == 430
    for group in ("by_rule", "by_session"):
        for name in ("dollars", "gpu_seconds", "wall_seconds", "attempts"):
            summed = sum(entry[name] for entry in made[group].values())
            assert summed == pytest.approx(made["total"][name])
    shards = made["by_rule"]["generate_shard"]
    assert (shards["attempts"], shards["completed"], shards["unfinished"]) == (2, 1, 1)
    assert shards["dollars"] == pytest.approx(0.13) and shards["counts"]["generated_tokens"] == 5
    assert made["by_rule"]["train_sft"]["peak_gpu_bytes"] == 7 * 10**9
    assert made["by_session"]["two"]["status"] == "running" and made["by_session"]["one"]["status"] is None
    assert "gate pilot" not in made["by_job"] and made["by_job"]["train_sft"]["stopped"] == 1
    assert made["projected_by"] is None


def test_what_is_to_come_is_what_no_job_has_made(spent, tmp_path):
    plan = make_plan(shipped(), tmp_path)
    made = ledger.make_ledger(read_attempts(spent), {}, {"plan": plan})
    coming = sum(
        job["expected_seconds"]
        for name, job in plan["jobs"].items()
        if name not in ("pilot", "generate_shard 000")
    )
    price = plan["gpu"]["dollars_per_hour"]
    assert made["dollars_to_come"] == pytest.approx(coming * price / 3600, abs=1e-5)
    data = made["by_stage"]["sft_data"]
    shards = shipped()["generation"]["shards"]
    assert (data["jobs"], data["jobs_done"]) == (1 + shards, 2) and data["gpu_seconds"] == 230
    stages = {stage["stage"]: stage for stage in plan["stages"]}
    for stage, used in made["by_stage"].items():  # jobs without a GPU, merges, are the rest
        hours = stages[stage]["hours"]
        whole = 3600 * (hours["low"] * hours["high"]) ** 0.5
        assert 0.5 * whole < used["expected_gpu_seconds"]["plan"] <= 1.001 * whole


def test_the_command_prints_it_while_a_run_goes_on_and_writes_what_it_is_asked(spent, tmp_path, capsys):
    make_plan(shipped(), tmp_path)
    capsys.readouterr()
    missing = tmp_path / "projection-pilot.json"
    cost_ledger.main(["--usage", str(spent), "--projections", str(tmp_path / "plan.json"), str(missing)])
    said = capsys.readouterr().err
    rows = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert "2 (1 unfinished)" in rows["generate_shard"] and "1 (1 stopped)" in rows["train_sft"]
    assert "$0.43 spent, $" in said and "projected to come (by plan)" in said and "no cap" in said
    target = tmp_path / "budget/ledger.json"
    cost_ledger.main(["--usage", str(spent), "--ledger", str(target)])
    assert json.loads(target.read_text())["total"]["dollars"] == pytest.approx(0.43)


def test_without_usage_there_is_nothing_to_add_up(tmp_path, monkeypatch):
    monkeypatch.delenv("CAI_USAGE", raising=False)
    with pytest.raises(SystemExit):
        cost_ledger.main([])
    cost_ledger.main(["--usage", str(tmp_path / "none")])


@pytest.mark.parametrize(("succeeds_at", "runs", "status"), [(1, 1, 0), (3, 3, 0), (9, 3, 2)])
def test_make_run_goes_on_after_each_drop_and_no_longer(tmp_path, succeeds_at, runs, status):
    """A stand-in for Snakemake drops something in its first two runs, and succeeds at once or later."""
    stand_in = tmp_path / "snakemake"
    stand_in.write_text(
        f"""#!/bin/bash
[[ "$*" == *--dry-run* ]] && {{ echo "Nothing to be done"; exit 0; }}
count=$(($(cat {tmp_path}/count 2> /dev/null || echo 0) + 1)); echo $count > {tmp_path}/count
[ $count -ge {succeeds_at} ] && exit 0
[ $count -le 2 ] && mkdir -p {tmp_path}/budget && echo $count > {tmp_path}/budget/dropped.json
exit 7
"""
    )
    stand_in.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "run", "-o", ".venv/installed", f"RESULTS={tmp_path}", f"SNAKEMAKE={stand_in}"]
    ran = subprocess.run(command, env=kept, capture_output=True, text=True)
    assert ran.returncode == status, ran.stderr
    assert int((tmp_path / "count").read_text()) == runs
    assert ran.stdout.count("Optional work was dropped") == min(runs - 1, 2)
