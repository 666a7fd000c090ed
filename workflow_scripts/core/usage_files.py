"""What usage files say: the attempts of jobs, finished or not, and what all of them cost.

A killed job leaves a file without an end, and perhaps half a last line: both are normal. Anything else that
is no line of JSON is an error, as money that was spent would be forgotten.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from workflow_scripts.core.errors import InputError

HOUR = 3600.0
RUNNING = "unfinished"  # still running, or killed: the file alone does not tell


@dataclass(frozen=True)
class Attempt:
    """One attempt of a job. `name` is its rule and part; `made` what it finished on the way, by name;
    `status` completed, failed, stopped (at the cap) or unfinished; `time` and `last` in ISO 8601, UTC."""

    file: str
    rule: str
    part: str
    session: str | None
    time: str
    host: str
    devices: int
    dollars_per_hour: float
    status: str
    wall_seconds: float
    gpu_seconds: float
    peak_gpu_bytes: int
    peak_rss_bytes: int
    counts: dict[str, float]
    made: dict[str, dict] = field(default_factory=dict)
    pid: int = 0

    @property
    def name(self) -> str:
        """Rule and part, as the job was called."""
        return f"{self.rule} {self.part}".strip()

    @property
    def dollars(self) -> float:
        """The price of its GPU seconds at the price that it was run at."""
        return self.gpu_seconds * self.dollars_per_hour / HOUR


def _lines(path) -> list[dict]:
    """The events of a file; the last line may be cut short."""
    texts = Path(path).read_bytes().split(b"\n")
    events = []
    for number, text in enumerate(texts, 1):
        try:
            event = json.loads(text)
            if not isinstance(event, dict) or "event" not in event:
                raise ValueError
        except ValueError:
            if number == len(texts):  # nothing after the last newline, or the half line of a killed job
                continue
            remedy = "this line is cut short: what was spent is not known; repair it, or remove the file"
            raise InputError(file=path, field=f"line {number}", remedy=remedy) from None
        events.append(event)
    return events


def read_attempt(path) -> Attempt | None:
    """The attempt in a file; None where it was killed before its first line. InputError for a cut middle."""
    events = _lines(path)
    if not events:
        return None
    start, last = events[0], events[-1]
    used = next((event for event in reversed(events) if "gpu_seconds" in event), {})
    try:
        return Attempt(
            file=str(path),
            rule=start["job"],
            part=start["part"],
            session=start["session"],
            time=start["time"],
            host=start["host"],
            devices=start["devices"],
            dollars_per_hour=start["dollars_per_hour"],
            status=last["status"] if last["event"] == "end" else RUNNING,
            wall_seconds=used.get("wall_seconds", 0.0),
            gpu_seconds=used.get("gpu_seconds", 0.0),
            peak_gpu_bytes=used.get("peak_gpu_bytes", 0),
            peak_rss_bytes=used.get("peak_rss_bytes", 0),
            counts=used.get("counts", {}),
            made={event["part"]: event["units"] for event in events if event["event"] == "made"},
            pid=start.get("pid", 0),
        )
    except KeyError as missing:
        remedy = "its first line is no start of a job: remove the file, or restore it"
        raise InputError(file=path, field=missing.args[0], remedy=remedy) from None


def read_attempts(directory) -> list[Attempt]:
    """All attempts in a directory, in the order in which they began; none where there is no directory."""
    found = [read_attempt(path) for path in Path(directory).glob("*.jsonl")]
    return sorted((attempt for attempt in found if attempt), key=lambda attempt: (attempt.time, attempt.file))


def dollars(attempts: Iterable[Attempt]) -> float:
    """What attempts cost together."""
    return sum(attempt.dollars for attempt in attempts)
