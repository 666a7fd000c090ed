"""Usage files as jobs write them, for tests of what is made of them."""

import json
from pathlib import Path


def write_attempt(
    directory: Path, name: str, minute: int, session="first", status="completed", seconds=10.0, counts=None
) -> Path:
    """The file of one attempt of the job `name`, begun at a minute of an hour; `status` None: killed."""
    rule, _, part = name.partition(" ")
    start = {"event": "start", "job": rule, "part": part, "session": session, "host": "here", "pid": 1}
    start |= {"time": f"2026-01-01T00:{minute:02d}:00.000+00:00", "devices": 1, "dollars_per_hour": 3.6}
    used = {"wall_seconds": seconds, "gpu_seconds": seconds, "peak_gpu_bytes": 0, "peak_rss_bytes": 1}
    used["counts"] = counts or {}
    end = {"event": "end", "status": status, **used} if status else {"event": "beat", **used}
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{minute:02d}-{name.replace(' ', '-').replace('/', '-')}-{session}.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in (start, end)))
    return path


def write_gate(directory: Path, gate: str, minute: int, criteria: int, hold: int, session="first") -> Path:
    """The file of one attempt of a gate, which fails unless all its criteria hold."""
    status = "completed" if hold == criteria else "failed"
    counts = {"criteria": criteria, "criteria_that_hold": hold}
    return write_attempt(directory, f"gate {gate}", minute, session, status, counts=counts)
