"""Tokens and keys of the environment are in no file that a run leaves: logs, sessions, records, pages."""

import subprocess
import sys
import time

import pytest

from tests.planted_secrets import SECRETS, ProcessTitles, files_with_a_secret


@pytest.mark.slow
def test_a_whole_run_writes_no_secret(finished_run):
    files = [path for path in finished_run.rglob("*") if path.is_file()]
    assert len(files) > 500 and any(path.suffix == ".log" for path in files)
    assert list((finished_run / "results/sessions").glob("*.json"))
    assert files_with_a_secret(finished_run) == []


def test_the_search_finds_what_is_there(tmp_path):
    (tmp_path / "a.log").write_text(f"token={SECRETS['HF_TOKEN']}")
    (tmp_path / "b.log").write_text(f"...{SECRETS['WANDB_API_KEY'][-16:]}")
    (tmp_path / "c.log").write_text("nothing")
    assert files_with_a_secret(tmp_path) == ["a.log", "b.log"]
    command = [sys.executable, "-c", "import time; time.sleep(1)", SECRETS["RUNPOD_API_KEY"]]
    with ProcessTitles() as titles, subprocess.Popen(command) as process:
        time.sleep(0.5)
        process.kill()
    assert titles.found and titles.seen > 10
