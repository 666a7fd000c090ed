"""profiles/runpod reads the pod when Snakemake starts: its GPUs, and the CPUs that it has a right to."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yte

from tests.fake_pod import fake_gpus, on_path, write_command
from workflow_scripts.core import machine, pod

PROFILE = Path("profiles/runpod/config.yaml")


@pytest.fixture
def make_pod(tmp_path, monkeypatch):
    """A function that makes this machine look like a pod with so many GPUs."""

    def make(gpus, cpus=None):
        fake_gpus(tmp_path / "bin", count=gpus)
        monkeypatch.setenv("PATH", on_path(tmp_path / "bin"))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.delenv("RUNPOD_CPU_COUNT", raising=False)
        if cpus is not None:
            monkeypatch.setenv("RUNPOD_CPU_COUNT", str(cpus))

    return make


def profile():
    return yte.process_yaml(PROFILE.read_text(), require_use_yte=True)


@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_as_many_gpu_jobs_as_gpus_and_never_no_limit(make_pod, gpus):
    make_pod(gpus)
    assert profile()["resources"]["gpu"] == max(1, gpus)


def test_cuda_visible_devices_limits_the_jobs(make_pod, monkeypatch):
    make_pod(4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert profile()["resources"]["gpu"] == 2


def test_a_pod_is_a_share_of_its_host(make_pod):
    make_pod(1, cpus=1)
    assert profile()["cores"] == 1
    make_pod(1, cpus=100_000)
    assert 1 <= profile()["cores"] <= psutil.cpu_count()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
    ids=["v2", "v2-no-limit", "v2-less-than-one", "v1", "v1-no-limit", "none"],
)
def test_the_quota_of_the_container_counts(make_pod, tmp_path, files, expected):
    make_pod(0)
    write(tmp_path / "cgroup", files)
    assert machine.cpu_count(tmp_path / "cgroup") == (expected or machine.cpu_count(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "3000", "memory.current": "1000"}, 2000),
        ({"memory.max": "3000", "memory.current": "2900", "memory.stat": "anon 5\ninactive_file 700\n"}, 800),
        ({"memory.max": "1000", "memory.current": "1200"}, 0),
        ({"memory/memory.limit_in_bytes": "3000", "memory/memory.usage_in_bytes": "1000"}, 2000),
        ({"memory.max": "max", "memory.current": "1000"}, None),
    ],
    ids=["v2", "page-cache", "over", "v1", "no-limit"],
)
def test_memory_is_that_of_the_container(tmp_path, files, expected):
    write(tmp_path, files)
    found = machine.available_memory(tmp_path)
    assert found == expected if expected is not None else found > 10**8


def write(directory, files):
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


def test_the_environments_have_one_place_and_the_run_can_be_resumed():
    found = profile()
    assert Path(found["conda-prefix"]).is_absolute() and found["software-deployment-method"] == "conda"
    assert found["rerun-incomplete"] and found["benchmark-extended"] and "executor" not in found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["snakemake", "--profile", "profiles/runpod"], "conda"),
        (["snakemake", "--profile", "profiles/runpod", "--dry-run"], None),
        (["snakemake", "-n"], None),
        (["snakemake", "--report=x.html"], None),
        (["snakemake", "--list-params-changes"], None),
    ],
)
def test_only_a_look_at_the_plan_does_without_conda(tmp_path, monkeypatch, arguments, expected):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pod.deployment(arguments) == expected
    write_command(tmp_path, "conda", "exit 0")
    assert pod.deployment(arguments) == "conda"


BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ModuleNotFoundError(f"{{name}} is not in Snakemake's environment on a pod")
sys.meta_path.insert(0, Blocker())
"""


@pytest.mark.slow
def test_on_a_pod_snakemake_and_preflight_need_no_package_that_models_need(make_pod, tmp_path):
    make_pod(0, cpus=3)
    text = Path("profiles/runpod/bootstrap.sh").read_text()
    names = set(re.search(r"^MODEL_PACKAGES='(.+)'$", text, re.MULTILINE)[1].split("|"))
    assert "torch" in names and len(names) > 5
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(names=names))
    variables = os.environ | {"PYTHONPATH": str(tmp_path)}

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=variables, capture_output=True, text=True)

    assert "not in Snakemake's environment" in run("-c", "import torch").stderr
    assert run("-c", "import workflow_scripts.core.preflight_storage").returncode == 0
    result = run("-m", "snakemake", "--profile", "profiles/runpod", "--dry-run")
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert re.search(r"^all +1$", result.stdout, re.MULTILINE)
