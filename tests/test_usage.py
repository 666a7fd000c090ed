"""What a job writes down of its use: while it runs, when it ends, fails or is killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.usage_records import write_usage
from workflow_scripts.core import runtime, usage
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.usage_files import dollars, read_attempt, read_attempts

SLEEPER = """
import sys, time
from workflow_scripts.core import usage
from workflow_scripts.core.runtime import job
with job("generate_shard 003", uses_gpu=True):
    usage.count(generated_tokens=7)
    usage.made("generate_shard 002", records=5)
    time.sleep(60)
"""


@pytest.fixture
def account(tmp_path, monkeypatch):
    """Opens an account in an empty directory; returns a function that states more about it."""
    directory = tmp_path / "usage"

    def opened(**more):
        stated = {"directory": str(directory), "dollars_per_hour": 36.0, **more}
        monkeypatch.setenv(usage.ACCOUNT, json.dumps(stated))
        return directory

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return opened


def events(directory) -> list[dict]:
    [path] = directory.glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_without_an_account_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv(usage.ACCOUNT, raising=False)
    monkeypatch.chdir(tmp_path)
    with runtime.job("score"):
        usage.count(tokens=1)
        usage.made("x")
    assert list(tmp_path.iterdir()) == []


def test_a_job_writes_its_start_its_counts_and_its_end(account, monkeypatch):
    directory = account()
    monkeypatch.setenv(usage.SESSION, "20261121T060000Z-1")
    monkeypatch.setattr(usage, "FIRST_BEAT", 0.1)
    monkeypatch.setattr(usage, "WATCH_SECONDS", 0.05)
    with runtime.job("respond evaluation/base", uses_gpu=True):
        usage.count(prompt_tokens=3)
        usage.count(prompt_tokens=4, generated_tokens=2)
        with usage.timed("generating_seconds"):
            time.sleep(0.4)
    first, *beats, last = events(directory)
    assert (first["event"], first["job"], first["part"]) == ("start", "respond", "evaluation/base")
    assert first["session"] == "20261121T060000Z-1" and first["devices"] == 1
    assert 1 <= len(beats) <= 6 and {beat["event"] for beat in beats} == {"beat"}
    assert last["event"] == "end" and last["status"] == "completed"
    assert last["counts"]["prompt_tokens"] == 7 and last["counts"]["generated_tokens"] == 2
    assert 0.4 <= last["counts"]["generating_seconds"] <= last["wall_seconds"]
    assert last["gpu_seconds"] == last["wall_seconds"] and last["peak_rss_bytes"] > 10**6
    [attempt] = read_attempts(directory)
    assert attempt.dollars == pytest.approx(last["gpu_seconds"] * 36 / 3600)


def test_a_job_without_a_model_costs_nothing(account):
    directory = account()
    with runtime.job("score"):
        pass
    [attempt] = read_attempts(directory)
    assert (attempt.status, attempt.devices, attempt.gpu_seconds) == ("completed", 0, 0)


def test_a_wrong_input_ends_as_failed(account, capsys):
    directory = account()
    with pytest.raises(SystemExit), runtime.job("score"):
        raise InputError(field="x", remedy="mend it")
    assert read_attempts(directory)[0].status == "failed"


@pytest.mark.parametrize(
    ("visible", "count"), [("", 1), ("0", 1), ("2,3", 2), ("-1", 1), ("GPU-1,GPU-2,GPU-3", 3)]
)
def test_devices_are_those_that_the_job_was_given(monkeypatch, visible, count):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert usage.devices() == count


def test_a_killed_job_counts_too(account):
    directory = account()
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], env=os.environ)
    end = time.monotonic() + 60
    while time.monotonic() < end and not any("beat" in p.read_text() for p in directory.glob("*.jsonl")):
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [attempt] = read_attempts(directory)
    assert attempt.status == "unfinished" and attempt.gpu_seconds >= usage.FIRST_BEAT
    assert attempt.counts == {"generated_tokens": 7} and attempt.made == {
        "generate_shard 002": {"records": 5}
    }
    assert attempt.name == "generate_shard 003" and attempt.dollars > 0


def test_the_half_line_of_a_killed_job_is_no_error(tmp_path):
    path = write_usage(tmp_path, "pilot", 40, ended=None)
    with path.open("a") as file:
        file.write('{"event": "beat", "wall_sec')
    assert read_attempt(path).gpu_seconds == 40
    path.write_text('{"event": "sta')
    assert read_attempt(path) is None and read_attempts(tmp_path) == []


def test_a_cut_in_the_middle_is_an_error(tmp_path):
    path = write_usage(tmp_path, "pilot", 40)
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, '{"event": "beat", "wall', *rest]) + "\n")
    with pytest.raises(InputError, match=r"000-pilot.jsonl: line 2: this line is cut short"):
        read_attempts(tmp_path)
    path.write_text("\n".join(rest) + "\n")
    with pytest.raises(InputError, match=r"000-pilot.jsonl: job: its first line is no start of a job"):
        read_attempts(tmp_path)


def test_each_attempt_has_the_price_of_its_own_time(tmp_path):
    write_usage(tmp_path, "pilot", 3600, price=2.0)
    write_usage(tmp_path, "pilot", 1800, price=4.0, devices=2)
    assert dollars(read_attempts(tmp_path)) == pytest.approx(2.0 + 4.0)
