"""profiles/slurm on a real Slurm with two emulated nodes: the smallest workflow, and nodes lost at work.

Needs root, and Debian or Ubuntu.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import TINY
from tests.slurm.cluster import Cluster, query, reason_to_skip, wait_for

SKIP = reason_to_skip()
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(SKIP is not None, reason=SKIP or ""),
]
SHARD = "results/generation/shard-001.parquet"
SFT = "results/models/sft/adapter_model.safetensors"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    subprocess.run([Path(__file__).parent / "slurm" / "install.sh"], check=True)
    # The path of a socket has a limit that pytest's own directories come near.
    directory = Path(tmp_path_factory.mktemp("s"))
    with Cluster(directory / "c") as running:
        yield running


@pytest.fixture
def copy(finished_run, tmp_path):
    """A copy of a finished local run, modification times kept."""
    target = tmp_path / "run"
    subprocess.run(["cp", "-a", "--reflink=auto", str(finished_run), str(target)], check=True)
    return target


@pytest.fixture
def start():
    """start(directory, *arguments): Snakemake on a shipped profile, ended with the test at the latest."""
    processes = []

    def start(directory: Path, *arguments: str, profile="profiles/slurm", configs=(TINY,)):
        on_slurm = profile == "profiles/slurm"
        module = "tests.slurm.quick_polling" if on_slurm else "snakemake"
        command = [sys.executable, "-m", module, *arguments, "--profile", profile]
        if on_slurm:  # with the packages of this environment
            command += ["--software-deployment-method", "env-modules"]
        python = Path(sys.executable).parent
        with (directory / "output").open("w") as output:
            process = subprocess.Popen(
                [*command, "--configfile", *configs],
                cwd=directory,
                env=os.environ | {"PATH": f"{python}{os.pathsep}{os.environ['PATH']}"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.terminate()
        process.wait()


def finish(running: subprocess.Popen, directory: Path) -> str:
    """Waits for Snakemake, which must succeed; what it printed."""
    assert running.wait() == 0, (directory / "output").read_text()[-6000:]
    return (directory / "output").read_text()


def node_of(module: str) -> str | None:
    """The node on which a module of the workflow runs, from the environment of its process."""
    for process in psutil.process_iter():
        try:
            if process.cmdline()[1:3] == ["-m", f"workflow_scripts.{module}"]:
                if node := process.environ().get("SLURMD_NODENAME"):
                    return node
        except (psutil.Error, OSError):
            continue
    return None


def lose_the_node_at_work(cluster: Cluster, module: str, sign) -> str:
    """Kills the node of a module when `sign()` shows it at work; starts it when Slurm has it as down."""
    node = wait_for(lambda: node_of(module), 600)
    wait_for(sign, 600)
    cluster.kill_node(node)
    wait_for(lambda: node_of(module) is None, 60)
    wait_for(lambda: any("down" in line for line in query("sinfo", "-h", "-n", node, "-o", "%T")), 300)
    cluster.start_node(node)
    return node


def test_a_node_lost_in_the_middle_of_a_shard_changes_no_byte(cluster, start, copy, finished_run):
    log = copy / "logs/generate_shard-001.log"
    for path in (copy / SHARD, log):
        path.unlink()
    running = start(copy, SHARD)
    lose_the_node_at_work(cluster, "generate", lambda: log.exists() and "instructions: " in log.read_text())
    assert not (copy / SHARD).exists()
    finish(running, copy)
    assert (copy / SHARD).read_bytes() == (finished_run / SHARD).read_bytes()


def test_a_node_lost_in_the_middle_of_a_training_changes_no_byte(cluster, start, copy, tmp_path):
    """A longer training than that of the smallest workflow, so that it has checkpoints to go on from."""
    (copy / "longer.yaml").write_text("sft: {epochs: 6}\n")
    configs = (TINY, "longer.yaml")
    target = (SFT, "--allowed-rules", "train_sft")  # the change is the training's here, not the plan's
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(copy, undisturbed, symlinks=True)
    finish(start(undisturbed, *target, profile="profiles/local", configs=configs), undisturbed)
    running = start(copy, *target, configs=configs)
    state = copy / "results/models/sft/.state"
    lose_the_node_at_work(cluster, "train_sft", lambda: any(state.glob("*/checkpoint-*/complete")))
    assert any(state.glob("*/checkpoint-*/complete")) and not (copy / SFT).exists()
    finish(running, copy)
    for name in ("adapter_model.safetensors", "training.json", "metrics.parquet"):
        made, expected = ((run / SFT).with_name(name).read_bytes() for run in (copy, undisturbed))
        assert made == expected, name


def test_the_smallest_workflow_ends_in_the_files_of_a_local_run(cluster, start, copy, finished_run):
    for name in ("results", "reports", "logs", "benchmarks", ".snakemake"):
        kept = [path for path in (copy / name).iterdir() if path.name in ("captions", "templates")]
        for path in set((copy / name).iterdir()) - set(kept):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    finish(start(copy, "--slurm-keep-successful-logs"), copy)
    submitted = {path.name.removeprefix("rule_") for path in (copy / ".snakemake/slurm_logs").iterdir()}
    assert {"generate_shard", "train_sft", "manifest"} <= submitted
    assert not any(rule.startswith("gate_") for rule in submitted - {"gate_error_rates"})
    patterns = ("**/*.parquet", "models/**/*.safetensors", "statistics/*.json", "gates/*.json")
    local = {
        path.relative_to(finished_run): path.read_bytes()
        for pattern in patterns
        for path in (finished_run / "results").glob(pattern)
    }
    assert len(local) > 40
    assert [str(name) for name, data in local.items() if (copy / name).read_bytes() != data] == []


def test_a_gpu_job_is_given_a_gpu_and_another_is_not(cluster, start, copy):
    """What Slurm was asked for, job by job, and what a job sees of it."""
    probe = "env | grep -E '^CUDA_VISIBLE_DEVICES=' > {log:q} || true"
    (copy / "Probe").write_text(
        "rule all:\n    input: 'with', 'without'\n"
        f"rule respond:\n    output: touch('with')\n    log: 'with.log'\n    resources: gpu=1\n"
        f'    shell: "{probe}"\n'
        f"rule merge_sft:\n    output: touch('without')\n    log: 'without.log'\n    shell: \"{probe}\"\n"
    )
    running = start(copy, "--snakefile", "Probe", "--slurm-keep-successful-logs")
    asked = {}

    def all_asked():
        columns = "comment:40,tres-per-job:40,minmemory:20,timelimit:20,cpus-per-task:10"
        lines = query("squeue", "-h", "-t", "all", "-O", columns)
        asked.update({line.split()[0]: line.split()[1:] for line in lines})
        return {"rule_respond", "rule_merge_sft"} <= asked.keys()

    wait_for(all_asked, 300)
    finish(running, copy)
    assert asked["rule_respond"] in (
        [f"gres{sign}gpu:1", "120000M", "12:00:00", "8"]
        for sign in (":", "/")  # as Slurm's version has it
    )
    assert asked["rule_merge_sft"] == ["N/A", "180000M", "4:00:00", "4"]
    assert (copy / "with.log").read_text() == "CUDA_VISIBLE_DEVICES=0\n"
    assert (copy / "without.log").read_text() == ""
