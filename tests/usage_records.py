"""Usage files as jobs leave them, and the pilot's records, for tests of what is made from them."""

import json
from pathlib import Path

from workflow_scripts.core import schemas


def write_usage(directory: Path, name: str, seconds: float, *, ended="completed", price=2.69, **more) -> Path:
    """The file of one attempt of a job. `ended` is None for one that was killed."""
    directory.mkdir(parents=True, exist_ok=True)
    rule, _, part = name.partition(" ")
    number = len(list(directory.glob("*.jsonl")))
    devices = more.get("devices", 1)
    start = {
        **{
            "event": "start",
            "job": rule,
            "part": part,
            "session": more.get("session", "one"),
            "host": "here",
        },
        **{"time": f"2026-11-21T06:{number // 60:02d}:{number % 60:02d}.000+00:00", "pid": number},
        **{"host": "here", "devices": devices, "dollars_per_hour": price},
    }
    used = {
        **{"wall_seconds": seconds, "gpu_seconds": seconds * devices, "counts": more.get("counts", {})},
        **{"peak_gpu_bytes": more.get("peak", 0), "peak_rss_bytes": 10**9},
    }
    events = [start, {"event": "beat", **used}]
    events += [{"event": "made", "part": made, "units": {}, **used} for made in more.get("made", [])]
    if ended:
        events.append({"event": "end", "status": ended, **used})
    path = directory / f"{number:03d}-{rule}.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def write_pilot(path: Path, count: int, accepted: int, response_tokens: int) -> Path:
    """The records of a pilot, the first `accepted` of them accepted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            **dict.fromkeys(schemas.RECORDS.names, ""),
            **{"record_id": str(place), "instruction": f"instruction {place}", "accepted": place < accepted},
            **{"seed": 1, "shard": 0, "index": place, "response_tokens": response_tokens},
            **{"prompt_tokens": 100, "verdict_margin": 1.0, "p_yes": 0.7, "rejected_reason": None},
        }
        for place in range(count)
    ]
    if "edited" in schemas.RECORDS.names:
        rows = [{**row, "edited": None} for row in rows]
    schemas.write_records(path, rows, schemas.RECORDS)
    return path
