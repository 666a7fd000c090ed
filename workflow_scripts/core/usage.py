"""What a job uses, written down while it runs: seconds, memory, tokens; and an end before the cap is passed.

The Snakefile says where, in the environment variable CAI_USAGE (see `Account`). Each attempt of a job has a
file of its own there, outside every declared output: a line at the start, one every few seconds, one at the
end. A job that is killed leaves what it had used by then. Without the variable nothing is written or limited.

    {"event": "start", "job": "generate_shard", "part": "000", "session": ..., "time": ..., "devices": 1, ...}
    {"event": "beat", "wall_seconds": 5.0, "gpu_seconds": 5.0, "counts": {...}, "peak_gpu_bytes": ...}
    {"event": "made", "part": "000", "units": 250, ...}
    {"event": "end", "status": "completed", ...}

Every job imports this: it needs the standard library alone, and knows nothing of GPUs, prices and plans.
"""

import datetime
import json
import os
import platform
import resource
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ACCOUNT, SESSION = "CAI_USAGE", "CAI_SESSION"
FIRST_BEAT, LAST_BEAT, BEAT_SHARE = 2.0, 60.0, 0.01  # seconds between lines: a hundredth of the time so far


@dataclass(frozen=True)
class Account:
    """Where usage is written, and what a device costs an hour: the JSON in CAI_USAGE."""

    directory: str
    dollars_per_hour: float


def read_account() -> Account | None:
    """The account that the Snakefile opened, or None."""
    stated = os.environ.get(ACCOUNT)
    if not stated:
        return None
    content = json.loads(stated)
    return Account(content["directory"], content["dollars_per_hour"])


def devices() -> int:
    """GPUs that this job may use; 1 where there is none, as then the machine itself is what costs."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return max(1, len([name for name in visible.split(",") if name.strip() not in ("", "-1")]))
    return max(1, len(list(Path("/proc/driver/nvidia/gpus").glob("*"))))


def _on_gpus(measured: str) -> int:
    """A measure of torch.cuda over this process's GPUs, in bytes; 0 without torch or GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return 0
    return sum(getattr(torch.cuda, measured)(place) for place in range(torch.cuda.device_count()))


def peak_gpu_bytes() -> int:
    """The most memory that this process's tensors took on its GPUs; 0 without torch or GPU."""
    return _on_gpus("max_memory_allocated")


def rss_bytes() -> int:
    """Memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Recorder:
    """The file of one attempt of a job, and what was counted in it so far."""

    def __init__(self, name: str, uses_gpu: bool, account: Account):
        rule, _, part = name.partition(" ")
        self.start, self.counts, self.lock = time.monotonic(), Counter(), threading.Lock()
        self.devices = devices() if uses_gpu else 0
        moment = datetime.datetime.now(datetime.UTC)
        directory = Path(account.directory)
        directory.mkdir(parents=True, exist_ok=True)
        label = name.replace(" ", "-").replace("/", "-")
        self.path = directory / f"{moment:%Y%m%dT%H%M%SZ}-{label}-{uuid.uuid4().hex[:8]}.jsonl"
        self.write(
            "start",
            job=rule,
            part=part,
            session=os.environ.get(SESSION),
            time=moment.isoformat(timespec="milliseconds"),
            host=platform.node(),
            pid=os.getpid(),
            devices=self.devices,
            dollars_per_hour=account.dollars_per_hour,
        )

    def write(self, event: str, **content) -> None:
        """Appends one line, whole, at once."""
        line = json.dumps({"event": event, **content}, sort_keys=True, ensure_ascii=False) + "\n"
        with self.lock, self.path.open("a", encoding="utf-8") as file:
            file.write(line)

    def used(self) -> dict:
        """What was used by now."""
        wall = time.monotonic() - self.start
        return {
            "wall_seconds": round(wall, 3),
            "gpu_seconds": round(wall * self.devices, 3),
            "counts": {name: round(value, 3) for name, value in sorted(self.counts.items())},
            "peak_gpu_bytes": peak_gpu_bytes(),
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }

    def beat(self, ended: threading.Event) -> None:
        """Writes what was used every few seconds, until the job ends."""
        while not ended.wait(min(LAST_BEAT, max(FIRST_BEAT, BEAT_SHARE * (time.monotonic() - self.start)))):
            self.write("beat", **self.used())


_current: Recorder | None = None


@contextmanager
def recorded(name: str, uses_gpu: bool):
    """Records the job around its body. `name`: its rule, then what part of the rule's work it is."""
    global _current
    account = read_account()
    if account is None:
        yield
        return
    recorder, ended, status = Recorder(name, uses_gpu, account), threading.Event(), "failed"
    beats = threading.Thread(target=recorder.beat, args=(ended,), name="usage", daemon=True)
    beats.start()
    _current = recorder
    try:
        yield
        status = "completed"
    finally:
        _current = None
        ended.set()
        beats.join()
        recorder.write("end", status=status, **recorder.used())


def count(**amounts: float) -> None:
    """Adds to what the running job counts: tokens and seconds of work by kind. Nothing without a record."""
    if _current is not None:
        _current.counts.update(amounts)


def memory(moment: str) -> dict[str, int]:
    """Memory at a moment of the running job, written down too: {gpu_bytes, peak_gpu_bytes, rss_bytes}."""
    held = {"gpu_bytes": _on_gpus("memory_allocated"), "rss_bytes": rss_bytes()}
    if _current is not None:
        _current.write("memory", moment=moment, **held, **_current.used())
    return {**held, "peak_gpu_bytes": peak_gpu_bytes()}


def made(part: str, **units: float) -> None:
    """Writes down that a part of the work (a shard) is made and will not be made again."""
    if _current is not None:
        _current.write("made", part=part, units=units, **_current.used())


@contextmanager
def timed(name: str):
    """Counts the seconds of its body as `name`."""
    start = time.monotonic()
    try:
        yield
    finally:
        count(**{name: time.monotonic() - start})


def end_at_cap() -> None:
    """Raises where the running job must end now, for the cap would be passed soon."""
