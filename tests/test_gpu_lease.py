"""Each job gets a GPU of its own, keeps to those that it may use, and gives it back however it ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.fake_pod import fake_gpus, on_path
from workflow_scripts.core import gpu_lease, machine, runtime

HOLDER = """
import os, sys, time
from pathlib import Path
from workflow_scripts.core import gpu_lease
gpu_lease.WAIT_SECONDS = 0.05
with gpu_lease.leased(lambda line: print("say", line, flush=True), Path(sys.argv[1])) as gpu:
    print("has", os.environ.get("CUDA_VISIBLE_DEVICES"), gpu and gpu.uuid, flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def locks(tmp_path):
    return tmp_path / "locks"


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    fake_gpus(tmp_path / "bin", count=2)
    monkeypatch.setenv("PATH", on_path(tmp_path / "bin"))
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)


def hold(locks, seconds=60.0):
    command = [sys.executable, "-c", HOLDER, str(locks), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def told(process, word):
    for line in process.stdout:
        if line.startswith(word):
            return line.strip()
    raise AssertionError(f"no line begins with {word}")


def test_two_jobs_get_two_gpus_and_a_third_waits_until_one_is_killed(two_gpus, locks):
    holders = [hold(locks), hold(locks)]
    try:
        seen = {told(holder, "has") for holder in holders}
        assert seen == {"has 0 GPU-0000-fake", "has 1 GPU-1111-fake"}
        holders.append(hold(locks, seconds=0))
        assert told(holders[2], "say") == "say waits for a GPU: all 2 are in use by other jobs"
        time.sleep(0.3)
        assert holders[2].poll() is None
        holders[1].send_signal(signal.SIGKILL)
        assert told(holders[2], "has") in seen
        assert holders[2].wait(10) == 0
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


def test_the_lease_is_given_back_and_the_environment_with_it(two_gpus, locks):
    for _ in range(2):
        with gpu_lease.leased(lambda line: None, locks) as gpu:
            assert gpu.index == 0 and os.environ["CUDA_VISIBLE_DEVICES"] == "0"
            assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
        assert "CUDA_VISIBLE_DEVICES" not in os.environ and "CUDA_DEVICE_ORDER" not in os.environ


def test_a_child_does_not_keep_the_lease(two_gpus, locks):
    with gpu_lease.leased(lambda line: None, locks):
        child = subprocess.Popen(["sleep", "30"])
    try:
        with gpu_lease.leased(lambda line: None, locks) as gpu:
            assert gpu.index == 0
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("allowed", ["1", "GPU-1111-fake", "1,7,0"])
def test_only_gpus_that_are_visible_already_are_leased(two_gpus, locks, monkeypatch, allowed):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert len(machine.visible_gpus()) == 1 and machine.gpu_count() == 1
    with gpu_lease.leased(lambda line: None, locks) as gpu:
        assert gpu.index == 1 and os.environ["CUDA_VISIBLE_DEVICES"] == allowed.split(",")[0]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == allowed


def test_what_slurm_gave_is_left_as_it_is(two_gpus, locks, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with gpu_lease.leased(lambda line: None, locks) as gpu:
        assert gpu is None and os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert not locks.exists()


@pytest.mark.parametrize("hidden", [None, ""])
def test_without_a_gpu_nothing_is_leased(tmp_path, locks, monkeypatch, hidden):
    fake_gpus(tmp_path / "bin", count=0 if hidden is None else 2)
    monkeypatch.setenv("PATH", on_path(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    with gpu_lease.leased(lambda line: None, locks) as gpu:
        assert gpu is None and os.environ.get("CUDA_VISIBLE_DEVICES") == hidden
    assert not locks.exists() and machine.gpu_count() == 1


def test_a_gpu_that_states_no_memory_can_be_leased(two_gpus, tmp_path, locks):
    fake_gpus(tmp_path / "bin", total="[N/A]", free="[N/A]")
    with gpu_lease.leased(lambda line: None, locks) as gpu:
        assert (gpu.index, gpu.total_bytes, gpu.free_bytes) == (0, 0, 0)


def test_a_job_that_uses_a_gpu_has_one_to_itself(two_gpus, locks, monkeypatch, capsys):
    monkeypatch.setattr(gpu_lease, "LOCKS", locks)
    holder = hold(locks)
    try:
        told(holder, "has")
        with runtime.job("respond base", uses_gpu=True):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    finally:
        holder.kill()
        holder.wait()
    with runtime.job("score"):
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert "respond base: runs on GPU 1: NVIDIA H100" in capsys.readouterr().err
