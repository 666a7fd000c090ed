"""make demo as a newcomer runs it: in a fresh clone, without an environment, then once more."""

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

from tests.conftest import copy_sources

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(3600)]
REPOSITORY = Path(__file__).resolve().parents[1]


def processor_seconds():
    """What the processes that were waited for have used so far, all their own included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make(clone, *arguments):
    """Runs make outside this test's virtual environment; returns its output and the processor time it took.

    On an idle machine that is about what a clock shows; what runs beside the test does not count.
    """
    before = processor_seconds()
    ours = ("VIRTUAL_ENV", "MAKE", "MFLAGS", "OMP_NUM_THREADS", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept["PATH"] = os.pathsep.join(part for part in kept["PATH"].split(os.pathsep) if "/.venv/" not in part)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    result = subprocess.run(["make", *arguments], cwd=clone, env=kept, **streams)
    assert result.returncode == 0, result.stdout[-8000:]
    return result.stdout, processor_seconds() - before


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(directory)], check=True)
    return directory


def test_make_demo_runs_shows_the_result_and_has_nothing_to_do_the_second_time(clone):
    output, _ = make(clone, "demo")
    assert "primary: base " in output and "Open reports/summary.html" in output
    assert (clone / "reports/summary.html").stat().st_size > 10_000
    assert (clone / "reports/report.html").stat().st_size > 100_000
    session = json.loads(next((clone / "results/sessions").glob("*.json")).read_text())
    assert session["status"] == "completed" and session["git_dirty"] is False
    again, seconds = make(clone, "demo")
    assert "Nothing to be done" in again and "primary: base " in again
    assert seconds < 15
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True)
    assert status.stdout == ""


def test_two_runs_in_two_directories_are_the_same_to_the_byte(clone, finished_run, tmp_path):
    """One by make in the newcomer's environment, into a folder of another name; one in that of the tests.

    Both in copies without git: records hold the commit.
    """
    copy = copy_sources(tmp_path / "copy")
    (copy / ".venv").symlink_to(clone / ".venv")
    make(copy, "run", "CONFIG=tests/configs/tiny.yaml", "RESULTS=tiny")
    patterns = ("**/*.parquet", "models/**/*.safetensors", "statistics/*.json", "gates/*.json")
    ours, other = (
        {str(path.relative_to(run)): path.read_bytes() for pattern in patterns for path in run.glob(pattern)}
        for run in (copy / "tiny", finished_run / "results")
    )
    assert len(ours) > 40 and ours.keys() == other.keys()
    assert [name for name in ours if ours[name] != other[name]] == []
