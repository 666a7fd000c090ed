"""What a run does now: its jobs, how far each is, what failed, and what it has cost; from files alone.

Jobs write what they use (`core.usage`) and say in their logs how far they are (`core.progress`); Snakemake's
sessions say what was planned. Nothing else is read, and nothing is written, so that one can look at any time,
at a run of any profile, and at one that was killed. A log is found by the name of its job:
`respond evaluation/base` writes `respond-evaluation-base.log`.
"""

import datetime
import json
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.progress import Reading, read_line
from workflow_scripts.core.usage_files import RUNNING, Attempt, dollars, read_attempt

RUNS, GONE, SILENT = "runs", "gone", "silent"
SILENT_SECONDS = 180.0  # three times the longest a job is silent in its usage file
TAIL_BYTES = 16_384
CLOCK_SLACK = 2.0  # seconds by which a process may seem younger than what it has written
SHOWN_FAILURES = 5


@dataclass(frozen=True)
class JobNow:
    """A job that began and did not end, or that failed. `state`: runs, gone (its process is), silent (on
    another machine, and nothing new for minutes) or failed; `line` is the last one of its log."""

    name: str
    state: str
    seconds: float
    host: str
    progress: Reading | None
    line: str


@dataclass(frozen=True)
class Run:
    """A session. `state`: runs, gone, silent, completed or failed; `planned` is None where that is not
    known."""

    name: str
    state: str
    host: str
    seconds: float
    done: int
    planned: int | None
    jobs: tuple[JobNow, ...]
    failed: tuple[JobNow, ...]


@dataclass(frozen=True)
class View:
    """What there is to see. `runs`: those in progress, or the last one; `alone`: jobs that run without a
    session."""

    runs: tuple[Run, ...]
    alone: tuple[JobNow, ...]
    dollars: float
    cap: float | None

    @property
    def in_progress(self) -> bool:
        """Whether anything runs, or may: a silent one is on another machine."""
        return bool(self.alone) or any(run.state in (RUNS, SILENT) for run in self.runs)


def is_alive(pid: int, began: float) -> bool:
    """Whether a process of this machine is there since `began` (seconds since 1970), and no later one with
    its number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= began + CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False


def _seconds_since_1970(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def _liveliness(host: str, pid: int, began: float, heard: float, now: float) -> str:
    """runs, gone or silent. Of another machine's process only what it writes can be seen."""
    if host == platform.node():
        return RUNS if is_alive(pid, began) else GONE
    return RUNS if now - heard < SILENT_SECONDS else SILENT


def log_name(job: str) -> str:
    """The name of a job's log."""
    return job.replace(" ", "-").replace("/", "-") + ".log"


def last_lines(path: Path) -> list[str]:
    """The last lines of a log that hold anything, oldest first; none where there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):  # no such file, or a name that no file can have
        return []
    return [line for line in text.split("\n") if line.strip()]


@dataclass
class Watcher:
    """Looks at the files below a folder of results. Usage files that are over are read once."""

    results: Path
    _read: dict[Path, tuple[int, Attempt | None]] = field(default_factory=dict)

    def _attempts(self) -> list[Attempt]:
        for path in sorted((self.results / "usage").glob("*.jsonl")):
            size = path.stat().st_size
            if self._read.get(path, (None, None))[0] != size:
                self._read[path] = (size, read_attempt(path))
        return [attempt for _, attempt in self._read.values() if attempt]

    def _sessions(self) -> list[dict]:
        """All sessions in the order in which they began. InputError for a file that is none."""
        found = []
        for path in (self.results / "sessions").glob("*.json"):
            try:
                session = json.loads(path.read_text(encoding="utf-8"))
                found.append({**session, "began": _seconds_since_1970(session["start"])})
            except (ValueError, KeyError, TypeError):
                raise InputError(file=path, remedy="this is no session of a run: remove it") from None
        return sorted(found, key=lambda session: session["began"])

    def look(self, now: float | None = None) -> View:
        """What there is to see now (seconds since 1970)."""
        now = time.time() if now is None else now
        attempts, sessions = self._attempts(), self._sessions()
        runs = [self._run(session, attempts, now) for session in sessions]
        shown = [run for run in runs if run.state in (RUNS, SILENT)] or runs[-1:]
        named = {session["session"] for session in sessions}
        logs = _logs(sessions[-1]) if sessions else Path("logs")
        others = [attempt for attempt in attempts if attempt.session not in named]
        alone = [job for job in _unfinished(others, logs, now) if job.state != GONE]
        cap = sessions[-1]["config"].get("budget", {}).get("cap") if sessions else None
        return View(tuple(shown), tuple(alone), dollars(attempts), cap)

    def _run(self, session: Mapping, attempts: Iterable[Attempt], now: float) -> Run:
        own = [attempt for attempt in attempts if attempt.session == session["session"]]
        logs, host, began = _logs(session), session["machine"]["host"], session["began"]
        state, end = session["status"], session["end"]
        if state == "running":
            heard = max([began, *(Path(attempt.file).stat().st_mtime for attempt in own)])
            state = _liveliness(host, int(session["session"].rpartition("-")[2]), began, heard, now)
        failed = [attempt for attempt in _latest(own) if attempt.status in ("failed", "stopped")]
        return Run(
            session["session"],
            state,
            host,
            (_seconds_since_1970(end) if end else now) - began,
            sum(attempt.status == "completed" for attempt in own),
            session.get("planned_jobs"),
            tuple(_unfinished(own, logs, now)),
            tuple(
                _job(attempt, attempt.status, logs, attempt.wall_seconds)
                for attempt in failed[-SHOWN_FAILURES:]
            ),
        )


def _latest(attempts: Iterable[Attempt]) -> list[Attempt]:
    """The last attempt of each job, whose log is there, in the order in which they began."""
    by_name = {attempt.name: attempt for attempt in sorted(attempts, key=lambda one: (one.time, one.file))}
    return sorted(by_name.values(), key=lambda attempt: (attempt.time, attempt.name))


def _logs(session: Mapping) -> Path:
    """Where a session's logs lie."""
    return Path(session["config"].get("pathvars", {}).get("logs", "logs"))


def innermost(lines: Iterable[str]) -> Reading | None:
    """The loop of a log that began last and is not over; None where none goes on, or none has yet spoken."""
    going_on: dict[str, Reading] = {}
    for line in lines:
        if found := read_line(line):
            loop = found.label.partition(": ")[0]  # a training's label goes on with its loss
            going_on.pop(loop, None)
            if found.open:
                going_on[loop] = found
    return next(reversed(going_on.values()), None)


def _job(attempt: Attempt, state: str, logs: Path, seconds: float) -> JobNow:
    lines = last_lines(logs / log_name(attempt.name))
    last = lines[-1] if lines else ""
    return JobNow(attempt.name, state, seconds, attempt.host, innermost(lines), last)


def _unfinished(attempts: Iterable[Attempt], logs: Path, now: float) -> list[JobNow]:
    """Jobs that have begun and not ended, in the order in which they began."""
    jobs = []
    for attempt in _latest(attempts):
        if attempt.status == RUNNING:
            began, heard = _seconds_since_1970(attempt.time), Path(attempt.file).stat().st_mtime
            state = _liveliness(attempt.host, attempt.pid, began, heard, now)
            jobs.append(_job(attempt, state, logs, (now if state == RUNS else heard) - began))
    return jobs
