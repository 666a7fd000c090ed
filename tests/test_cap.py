"""The cap: refused before a job loads anything, or ended in order while it runs."""

import json
import time
from types import SimpleNamespace

import pytest

from tests.usage_records import write_usage
from workflow_scripts.core import runtime, usage
from workflow_scripts.core.cap import CapReached
from workflow_scripts.core.progress import Progress
from workflow_scripts.core.training_cap import EndAtCap
from workflow_scripts.core.usage_files import read_attempts


@pytest.fixture
def account(tmp_path, monkeypatch):
    """Opens an account of $36 an hour, a cent a second, with a plan; returns its usage directory."""
    directory, plan = tmp_path / "usage", tmp_path / "plan.json"

    def opened(cap, reserve=0.0, **expected):
        plan.write_text(
            json.dumps({"jobs": {name: {"gpu_seconds": value} for name, value in expected.items()}})
        )
        stated = {
            "directory": str(directory),
            "dollars_per_hour": 36.0,
            "cap": cap,
            "reserve_seconds": reserve,
        }
        missing = str(tmp_path / "projection-pilot.json")
        monkeypatch.setenv(usage.ACCOUNT, json.dumps(stated | {"projections": [missing, str(plan)]}))
        return directory

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(usage, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(usage, "FIRST_BEAT", 0.05)
    return opened


def refused(name, capsys) -> str:
    """What a job says that may not begin."""
    with pytest.raises(SystemExit) as ended, runtime.job(name, uses_gpu=True):
        raise AssertionError("it began")
    assert ended.value.code == 1
    return capsys.readouterr().err


def test_a_job_that_would_pass_the_cap_is_refused_in_one_line_and_leaves_nothing(account, capsys):
    directory = account(1.0, train_sft=80)
    write_usage(directory, "pilot", 30, price=36.0)
    said = refused("train_sft", capsys)
    assert said.count("\n") == 1
    assert (
        "train_sft: error: budget.cap = 1.0: $0.3 is spent and this job is expected to cost $0.8 more" in said
    )
    assert "plan.json" in said and "raise it" in said
    assert len(read_attempts(directory)) == 1


def test_a_cap_below_what_is_spent_is_said_so(account, capsys):
    write_usage(account(0.2), "pilot", 30, price=36.0)
    assert "budget.cap = 0.2: $0.3 is spent: raise it" in refused("sentinels", capsys)


def test_a_job_that_fits_begins_and_so_does_one_that_costs_nothing(account):
    directory = account(1.0, train_sft=60)
    write_usage(directory, "pilot", 30, price=36.0)
    with runtime.job("train_sft", uses_gpu=True):
        pass
    write_usage(directory, "pilot", 300, price=36.0)
    with runtime.job("score"):
        pass
    assert [attempt.status for attempt in read_attempts(directory)] == ["completed"] * 4


def test_a_job_that_was_ended_before_has_less_to_go(account, capsys):
    """80 s are expected, 50 of them are done: 30 more fit below the cap, 80 would not."""
    directory = account(1.0, train_sft=80)
    write_usage(directory, "train_sft", 50, price=36.0, ended="stopped")
    with runtime.job("train_sft", uses_gpu=True):
        pass
    assert "$0.8 more" in refused("train_sft", capsys)  # done, and asked for again: it starts anew


def test_a_running_job_ends_when_the_cap_comes_near(account, capsys):
    directory = account(0.005)  # half a second
    begun = time.monotonic()
    with pytest.raises(SystemExit), runtime.job("generate_shard 000", uses_gpu=True):
        counter = Progress(10**9, "records", "records", may_end=True)
        while time.monotonic() - begun < 30:
            counter.advance()
            time.sleep(0.01)
    assert time.monotonic() - begun < 20
    [attempt] = read_attempts(directory)
    assert attempt.status == "stopped" and 0.5 <= attempt.gpu_seconds < 20
    assert "is spent, so this job ends in order; raise it and run again" in capsys.readouterr().err


def test_what_others_spend_ends_it_too(account):
    directory = account(1.0)
    begun = time.monotonic()
    with pytest.raises(SystemExit), runtime.job("generate_shard 000", uses_gpu=True):
        counter = Progress(10**9, "records", "records", may_end=True)
        write_usage(directory, "respond dev_evaluation/base", 200, price=36.0, ended=None)
        while time.monotonic() - begun < 30:
            counter.advance()
            time.sleep(0.01)
    assert time.monotonic() - begun < 20


def test_the_reserve_is_kept(account):
    directory = account(1.0, reserve=99.7)  # of a hundred seconds
    with pytest.raises(SystemExit), runtime.job("generate_shard 000", uses_gpu=True):
        while True:
            usage.end_at_cap()
            time.sleep(0.01)
    assert read_attempts(directory)[0].gpu_seconds < 20


def test_a_loop_that_may_not_be_left_is_not(account):
    account(0.001)
    with runtime.job("train_sft", uses_gpu=True):
        time.sleep(0.3)
        assert usage.must_end()
        Progress(2, "steps", "dev").advance()


def test_a_training_saves_first_and_never_between_an_epoch_and_its_measurement(account):
    account(0.001)
    state = SimpleNamespace(epoch=0.5, global_step=3, max_steps=9)
    control = SimpleNamespace(should_save=False)
    ending = EndAtCap()
    ending.on_step_end(None, state, control)
    ending.on_save(None, state, control)
    assert not control.should_save  # no job, no cap
    with pytest.raises(SystemExit), runtime.job("train_sft", uses_gpu=True):
        time.sleep(0.3)
        for epoch, step in ((1.0, 6), (1.5, 9)):
            ending.on_step_end(None, SimpleNamespace(epoch=epoch, global_step=step, max_steps=9), control)
            assert not control.should_save
        ending.on_step_end(None, state, control)
        assert control.should_save
        with pytest.raises(CapReached):
            ending.on_save(None, state, control)
        ending.on_save(None, state, control)
