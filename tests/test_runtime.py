"""A job is quiet, fails in one line, and ends when the Snakemake above it is killed."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from workflow_scripts.core import runtime
from workflow_scripts.core.errors import InputError

SLEEPER = """
import os, sys, time
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job
with job("sleeper"), guarded(sys.argv[1]) as (path,):
    path.write_text(str(os.getpid()))
    time.sleep(120)
"""
SNAKEFILE = """
rule all:
    input: "out.txt"
rule sleeper:
    output: "out.txt"
    log: "sleeper.log"
    shell: "{python} sleeper.py {{output}} 2>&1 | tee {{log}}"
"""


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def pid_in(path):
    return int(path.read_text()) if path.exists() and path.read_text() else 0


def is_running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_wrong_input_is_one_line_and_status_1(capsys):
    with pytest.raises(SystemExit) as ended, runtime.job("score"):
        raise InputError(file="a.parquet", field="type", remedy="add it")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "score: error: a.parquet: type: add it\n"


def test_a_bug_keeps_its_traceback():
    result = run("from workflow_scripts.core.runtime import job\nwith job('x'): 1 / 0")
    assert result.returncode == 1 and "ZeroDivisionError" in result.stderr and "done in" not in result.stderr


def test_the_time_taken_is_told(capsys):
    with runtime.job("score"):
        pass
    assert capsys.readouterr().err.startswith("score: done in 0.")


def test_libraries_are_quiet_before_they_are_imported():
    code = (
        "import os, warnings\nfrom workflow_scripts.core.runtime import job\nwith job('x'):\n"
        "    warnings.warn('noise')\n    print(os.environ['HF_HUB_DISABLE_TELEMETRY'])"
    )
    result = run(code)
    assert result.stdout == "1\n" and "noise" not in result.stderr


def test_the_signal_handler_is_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with runtime.job("x"):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_snakemake_above_nothing_is_watched():
    code = "from workflow_scripts.core.runtime import scheduler_chain; print(len(scheduler_chain()))"
    assert run(code).stdout == "0\n"


def test_a_shell_that_mentions_snakemake_is_not_snakemake():
    with subprocess.Popen(["bash", "-c", "sleep 30; : python -m snakemake"]) as shell:
        assert not runtime._is_snakemake(psutil.Process(shell.pid))
        shell.kill()


def test_a_job_ends_when_snakemake_is_killed(tmp_path):
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(python=sys.executable))
    begun = tmp_path / ".writing-out.txt"
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    snakemake = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: pid_in(begun), 60)
        job = pid_in(begun)
        parents = [process.pid for process in psutil.Process(job).parents()]
        assert snakemake.pid in parents
        time.sleep(2 * runtime.WATCH_SECONDS)
        assert is_running(job)
    finally:
        snakemake.kill()
        snakemake.wait()
    between = parents[: parents.index(snakemake.pid)]
    assert wait_for(lambda: not any(is_running(pid) for pid in [job, *between]), 10)
    assert not (tmp_path / "out.txt").exists()
