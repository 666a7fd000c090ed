"""One real run of the whole workflow per test session: the tiny configuration, in a copy of the sources."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted_secrets import SECRETS

REPOSITORY = Path(__file__).resolve().parents[1]
TINY = "tests/configs/tiny.yaml"
LONGEST = ("test_make_demo.py", "test_conda_deployment.py")


def copy_sources(target: Path) -> Path:
    """Copies every file that git tracks or would track, as it is in the working tree."""
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name)
    return target


def run_snakemake(directory: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Runs Snakemake on the tiny configuration in a copy of the repository; its output is in `stdout`.

    Secrets are in its environment, as on a pod: tests/test_secrets.py looks for them in what it leaves.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | SECRETS | {"PATH": path}
    environment.pop("PYTHONPATH", None)
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--profile",
        "profiles/local",
        "--configfile",
        TINY,
        *arguments,
    ]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, cwd=directory, env=environment, **streams)


def pytest_configure(config):
    """Two workers share two cores: one thread each, set before PyTorch is imported.

    And what a shell starts in the background ignores SIGINT, as would every process that a test starts.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ["OMP_NUM_THREADS"] = "1"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The files that take longest come first, or else one that needs the finished run: one worker makes it.

    The others that need it come last.
    """
    files = dict.fromkeys(item.path for item in items)
    needy = dict.fromkeys(item.path for item in items if "finished_run" in item.fixturenames)
    first = [path for name in LONGEST for path in files if path.name == name] or list(needy)[:1]
    last = dict.fromkeys((path for path in needy if path not in first), len(first) + 1)
    turn = {path: place for place, path in enumerate(first)} | last
    items.sort(key=lambda item: turn.get(item.path, len(first)))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """The directory of a finished run. Read it, and copy it before changing anything in it.

    Workers share one: the first that asks makes it, the others wait for it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    directory, log = shared / "finished", shared / "finished.log"
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not log.exists():
            directory.mkdir()
            result = run_snakemake(copy_sources(directory))
            log.write_text(f"exit status {result.returncode}\n{result.stdout}")
    assert log.read_text().startswith("exit status 0\n"), log.read_text()[-8000:]
    return directory


@pytest.fixture(scope="module")
def chromium():
    """A started browser, for `browser.visit`."""
    from tests import browser

    with browser.running() as started:
        yield started
