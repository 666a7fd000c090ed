"""make demo as a newcomer runs it: in a fresh clone, without an environment, then once more."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(3600)]
REPOSITORY = Path(__file__).resolve().parents[1]


def make(clone, *arguments):
    """Runs make outside this test's virtual environment; returns its output and the seconds it took."""
    start = time.monotonic()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VIRTUAL_ENV", "MAKE", "MFLAGS"))
    }
    kept["PATH"] = os.pathsep.join(part for part in kept["PATH"].split(os.pathsep) if "/.venv/" not in part)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    result = subprocess.run(["make", *arguments], cwd=clone, env=kept, **streams)
    assert result.returncode == 0, result.stdout[-8000:]
    return result.stdout, time.monotonic() - start


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


def test_two_runs_in_two_directories_are_the_same_to_the_byte(clone, tmp_path):
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "--quiet", str(clone), str(other)], check=True)
    (other / ".venv").symlink_to(clone / ".venv")
    tiny = ("run", "CONFIG=tests/configs/tiny.yaml", "RESULTS=tiny")
    make(clone, *tiny)
    make(other, *tiny)
    patterns = ("**/*.parquet", "models/**/*.safetensors", "statistics/*.json", "gates/*.json")
    names = sorted(
        str(path.relative_to(clone / "tiny"))
        for pattern in patterns
        for path in (clone / "tiny").glob(pattern)
    )
    assert len(names) > 40
    differing = [
        name for name in names if (clone / "tiny" / name).read_bytes() != (other / "tiny" / name).read_bytes()
    ]
    assert differing == []
