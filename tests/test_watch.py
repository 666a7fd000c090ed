"""What `make watch` shows of a run: while it runs, when it was killed, and with hostile text in its logs."""

import datetime
import json
import os
import platform
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from tests.conftest import TINY, copy_sources
from workflow_scripts import watch as command
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.progress import read_line
from workflow_scripts.core.usage_files import read_attempts
from workflow_scripts.core.watch import SILENT_SECONDS, Watcher, innermost, is_alive, log_name
from workflow_scripts.core.watch_table import LONGEST, plain, render

BRIEF = ("gate", "calibrate_budget")  # a second of work, with a name of their own
NOW = int(time.time()) + 3600  # what is looked at began after this process did
LINE = "verdicts: 1200/5000 answers, 56.3 answers/s, 1 min 08 s left"


def iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


class Folder:
    """A folder of results with sessions, usage files and logs as a run leaves them."""

    def __init__(self, root: Path):
        self.results, self.logs = root / "results", root / "logs"
        self.logs.mkdir()

    def session(self, pid: int, status="running", host=None, ago=600, planned=9, cap=None) -> str:
        name = f"20261121T060000Z-{pid}"
        content = {
            **{"session": name, "status": status, "start": iso(NOW - ago), "planned_jobs": planned},
            **{"end": None if status == "running" else iso(NOW - 60)},
            "machine": {"host": host or platform.node()},
            "config": {"pathvars": {"logs": str(self.logs)}, "budget": {"cap": cap}},
        }
        path = self.results / f"sessions/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return name

    def job(self, name, session=None, pid=0, ended=None, log=None, host=None, ago=60, seconds=36.0) -> Path:
        directory = self.results / "usage"
        directory.mkdir(parents=True, exist_ok=True)
        rule, _, part = name.partition(" ")
        path = directory / f"{len(list(directory.iterdir())):03d}.jsonl"
        start = {
            **{"event": "start", "job": rule, "part": part, "session": session, "pid": pid},
            **{"host": host or platform.node(), "devices": 1, "dollars_per_hour": 10.0},
            "time": iso(NOW - ago),
        }
        used = {"wall_seconds": seconds, "gpu_seconds": seconds}
        events = [start, {"event": "beat", **used}]
        events += [{"event": "end", "status": ended, **used}] if ended else []
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        if log is not None:
            (self.logs / log_name(name)).write_text(log)
        return path

    def look(self):
        return Watcher(self.results).look(NOW)

    def text(self) -> str:
        console = Console(width=200, file=open(os.devnull, "w"), record=True)
        console.print(render(self.look()))
        return console.export_text()


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_without_results_there_is_no_run(tmp_path, capsys):
    command.main(["--results", str(tmp_path / "absent")])
    assert capsys.readouterr().out == "no run in progress\n"


def test_a_run_shows_what_runs_how_far_it_is_and_what_it_costs(folder):
    session = folder.session(os.getpid(), cap=2.0)
    folder.job("pilot", session, ended="completed")
    log = f"instructions: 250/250 records, 9.1 records/s, 27.5 s\nverdicts: 1/5000 answers\n{LINE}\n"
    folder.job("generate_shard 003", session, os.getpid(), log=log)
    folder.job("respond evaluation/base", session, os.getpid(), log="loads the model\n", ago=5)
    [run] = folder.look().runs
    assert (run.state, run.done, run.planned, run.failed) == ("runs", 1, 9, ())
    first, second = run.jobs
    assert first.name == "generate_shard 003" and first.progress == read_line(LINE)
    assert first.seconds == pytest.approx(60, abs=2) and second.progress is None
    text = folder.text().splitlines()
    assert text[0].startswith(f"run {session} for 10 min 00 s: 1 of 9 jobs done")
    shard, answers = (line.split() for line in text[2:4])
    row = "generate_shard 003 1 min 00 s 1200/5000 answers 56.3 answers/s 1 min 08 s runs verdicts"
    assert shard == row.split() and answers == "respond evaluation/base 5 s runs loads the model".split()
    assert text[-1].startswith("$0.3 of $2 spent so far")


def test_of_loops_within_loops_the_innermost_that_goes_on_is_shown():
    shards = "shards to be made: 2/6 shards, 3.4 shards/min, 1 min 10 s left"
    over = "answers: 250/250 records, 9.1 records/s, 27.5 s"
    assert innermost([shards, over]).label == "shards to be made"
    assert innermost([LINE, shards, LINE.replace("1200", "2400")]).done == "2400"
    first = "train_sft: loss 0.4239, 2,718 tokens/s: 39/74 steps, 3.8 steps/s, 9 s left"
    second = "train_sft: loss 0.3768, 3,218 tokens/s: 74/74 steps, 4.5 steps/s, 16.4 s"
    assert innermost([first]).done == "39" and innermost([first, "else", second]) is None
    assert innermost([]) is None


def test_a_killed_run_says_so_and_names_the_jobs_that_went_with_it(folder, dead):
    session = folder.session(dead)
    folder.job("pilot", session, ended="completed")
    path = folder.job("train_sft", session, dead, log=f"{LINE}\n")
    os.utime(path, (NOW - 20, NOW - 20))
    view = folder.look()
    assert not view.in_progress
    assert [run.state for run in view.runs] == ["gone"] and view.runs[0].jobs[0].state == "gone"
    text = folder.text()
    assert "no run in progress" in text and "1 of 9 jobs done; killed: its Snakemake is gone" in text
    # Nothing is left to do by a job that is no more, only its last words.
    assert (
        text.splitlines()[3].split() == f"train_sft 40 s 1200/5000 answers 56.3 answers/s gone {LINE}".split()
    )


def test_the_number_of_a_dead_process_may_be_anothers(folder):
    assert is_alive(os.getpid(), time.time())
    assert not is_alive(os.getpid(), time.time() - 10**6)
    folder.session(os.getpid(), ago=10**6)  # begun before the process of that number
    assert [run.state for run in folder.look().runs] == ["gone"]


def test_another_machine_is_heard_or_silent(folder):
    session = folder.session(4321, host="pod-b", ago=3600)
    path = folder.job("train_sft", session, 4322, host="pod-b")
    os.utime(path, (NOW - 100, NOW - 100))
    [run] = folder.look().runs
    assert (run.state, run.jobs[0].state) == ("runs", "runs")
    os.utime(path, (NOW - SILENT_SECONDS - 1, NOW - SILENT_SECONDS - 1))
    [run] = folder.look().runs
    assert (run.state, run.jobs[0].state) == ("silent", "silent")
    assert "nothing new from pod-b for minutes" in folder.text()


def test_two_runs_on_one_volume_are_both_shown(folder, dead):
    folder.session(dead)
    mine = folder.session(os.getpid())
    theirs = folder.session(777, host="pod-b", ago=30)
    assert {run.name for run in folder.look().runs} == {mine, theirs}


def test_a_failure_is_shown_with_its_last_line_until_the_job_is_done_after_all(folder):
    session = folder.session(os.getpid())
    log = "reads\ntrain_sft: error: config: learning_rate: lower it\n"
    folder.job("train_sft", session, ended="failed", log=log, ago=50)
    [run] = folder.look().runs
    assert [job.line for job in run.failed] == ["train_sft: error: config: learning_rate: lower it"]
    assert "1 failed" in folder.text() and "lower it" in folder.text()
    folder.job("train_sft", session, os.getpid(), log="again\n", ago=20)
    [run] = folder.look().runs
    assert run.failed == () and [job.name for job in run.jobs] == ["train_sft"]


def test_a_finished_run_and_jobs_by_hand(folder, dead):
    session = folder.session(dead, status="completed", planned=1)
    folder.job("pilot", session, ended="completed")
    assert "no run in progress" in folder.text() and "1 of 1 jobs done; completed" in folder.text()
    folder.job("sentinels", None, os.getpid())
    folder.job("critic_calibration", None, dead)
    view = folder.look()
    assert view.in_progress and [job.name for job in view.alone] == ["sentinels"]
    assert "jobs run by hand" in folder.text() and "critic_calibration" not in folder.text()


def test_hostile_text_is_text(folder):
    session = folder.session(os.getpid())
    evil = "\x1b[2J\x1b]0;owned\x07[red]markup[/red] :smile: \r\u202edetrevni\x00\x9b31m"
    folder.job("pilot", session, os.getpid(), log=f"{evil}\n")
    folder.job(f"respond x/{evil}", session, os.getpid(), ago=50)
    console = Console(width=300, file=open(os.devnull, "w"), record=True, force_terminal=True)
    console.print(render(folder.look()))
    text = console.export_text()
    assert "[red]markup[/red] :smile:" in text and "\\x1b[2J\\x1b]0;owned\\x07" in text
    assert all(character.isprintable() or character == "\n" for character in text)
    assert plain("a" * 500) == "a" * LONGEST + "…"
    assert read_line(f"{evil}: 1/2 x, 1.0 x/s, 1 s left") is not None


def test_a_usage_file_that_grows_is_read_again(folder):
    session = folder.session(os.getpid())
    path = folder.job("pilot", session, os.getpid())
    watcher = Watcher(folder.results)
    assert [job.name for job in watcher.look(NOW).runs[0].jobs] == ["pilot"]
    with path.open("a") as file:
        file.write(json.dumps({"event": "end", "status": "completed", "gpu_seconds": 72.0}) + "\n")
    view = watcher.look(NOW)
    assert view.runs[0].jobs == () and view.runs[0].done == 1 and view.dollars == pytest.approx(0.2)


def test_a_file_that_is_no_session_is_named(folder):
    folder.session(1)
    (folder.results / "sessions/x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json: this is no session of a run: remove it"):
        folder.look()
    with pytest.raises(SystemExit) as ended:
        command.main(["--results", str(folder.results)])
    assert str(ended.value).startswith("watch: error: ")


def test_on_a_terminal_the_table_is_live_until_it_is_left(folder):
    session = folder.session(os.getpid())
    log = folder.logs / "pilot.log"
    folder.job("pilot", session, os.getpid(), log=f"{LINE}\n")
    master, slave = pty.openpty()
    words = ["-m", "workflow_scripts.watch", "--results", str(folder.results), "--every", "0.1"]
    process = subprocess.Popen(
        [sys.executable, *words], stdout=slave, stderr=slave, env=os.environ | {"TERM": "xterm"}
    )
    os.close(slave)
    seen = b""

    def until(text: bytes) -> bool:
        nonlocal seen
        end = time.monotonic() + 30
        while text not in seen and time.monotonic() < end:
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 65536)
        return text in seen

    try:
        assert until(b"1200/5000")
        log.write_text(LINE.replace("1200", "2400") + "\n")
        assert until(b"2400/5000")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        os.close(master)


@pytest.mark.slow
def test_a_finished_run_left_what_the_table_is_made_from(finished_run, monkeypatch):
    monkeypatch.chdir(finished_run)
    view = Watcher(Path("results")).look()
    [run] = view.runs
    assert run.state == "completed" and run.done == run.planned > 70 and not run.jobs and not run.failed
    logs = {path.name: path.read_bytes() for path in Path("logs").glob("*.log")}
    assert not [name for name, content in logs.items() if b"\r" in content or b"\x1b" in content]
    for attempt in read_attempts("results/usage"):
        assert attempt.rule in BRIEF or log_name(attempt.name) in logs, attempt.name
    found = {
        reading.label.split(":")[0]
        for content in logs.values()
        for line in content.decode().splitlines()
        if (reading := read_line(line))
    }
    assert {"answers", "verdicts", "critic calibration", "sentinels", "train_sft", "train_dpo"} <= found


@pytest.mark.integration
@pytest.mark.timeout(180)
def test_a_real_run_is_seen_at_work_and_seen_killed(tmp_path):
    directory = copy_sources(tmp_path / "copy")
    words = ["results/base/sentinels.json", "--profile", "profiles/local", "--configfile", TINY]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def shown() -> str:
        look = [sys.executable, "-m", "workflow_scripts.watch"]
        return subprocess.run(look, cwd=directory, capture_output=True, text=True, check=True).stdout

    command_line = [sys.executable, "-m", "snakemake", *words]
    with subprocess.Popen(command_line, cwd=directory, env=environment, **quiet) as snakemake:
        try:
            end = time.monotonic() + 120
            while "base_model" not in (seen := shown()) and time.monotonic() < end:
                assert snakemake.poll() is None
                assert "no run in progress" in seen or "jobs done" in seen
        finally:
            snakemake.kill()
    assert re.search(r"^run \S+ for \d+ s: 0 of 2 jobs done$", seen, re.MULTILINE), seen
    assert re.search(r"^base_model +\d+ s +runs", seen, re.MULTILINE), seen
    ended = re.compile(r"^base_model +\d+ s +gone", re.MULTILINE)  # the job ends itself a moment later
    end = time.monotonic() + 30
    while not ended.search(seen := shown()) and time.monotonic() < end:
        time.sleep(0.2)
    assert ended.search(seen), seen
    assert "no run in progress" in seen and "killed: its Snakemake is gone" in seen
