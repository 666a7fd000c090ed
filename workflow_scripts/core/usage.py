"""What a job uses, written down while it runs: seconds, memory, tokens; and its end before a cap is passed.

The Snakefile says where, in the environment variable CAI_USAGE (see `Account`). Each attempt of a job has a
file of its own there, outside every declared output: a line at the start, one every few seconds, one at the
end. A job that is killed leaves what it had used by then. Without the variable nothing is written or limited.

    {"event": "start", "job": "generate_shard", "part": "000", "session": ..., "time": ..., "devices": 1, ...}
    {"event": "beat", "wall_seconds": 5.0, "gpu_seconds": 5.0, "counts": {...}, "peak_gpu_bytes": ...}
    {"event": "made", "part": "generate_shard 000", "units": {"records": 250}, ...}
    {"event": "end", "status": "completed", ...}

Every job imports this: it knows nothing of GPUs, plans and stages, only what it is told in the variable.
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
from pathlib import Path

from workflow_scripts.core import cap
from workflow_scripts.core.cap import Account, CapReached

ACCOUNT, SESSION = "CAI_USAGE", "CAI_SESSION"
FIRST_BEAT, LAST_BEAT, BEAT_SHARE = 2.0, 60.0, 0.01  # seconds between lines: a hundredth of the time so far
WATCH_SECONDS = 0.25


def read_account() -> Account | None:
    """The account that the Snakefile opened, or None."""
    stated = os.environ.get(ACCOUNT)
    return Account(**json.loads(stated)) if stated else None


def devices() -> int:
    """GPUs that this job may use; 1 where there is none, as then the machine itself is what costs."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return max(1, len([name for name in visible.split(",") if name.strip() not in ("", "-1")]))
    return max(1, len(list(Path("/proc/driver/nvidia/gpus").glob("*"))))


def _on_gpus(measured: str) -> int:
    """A measure of torch.cuda over this process's GPUs, in bytes; 0 without torch or GPU."""
    cuda = sys.modules.get("torch.cuda")
    # While another thread imports torch, its module is there without all of its functions.
    if not getattr(cuda, "is_initialized", bool)():
        return 0
    return sum(getattr(cuda, measured)(place) for place in range(cuda.device_count()))


def peak_gpu_bytes() -> int:
    """The most memory that this process's tensors took on its GPUs; 0 without torch or GPU."""
    return _on_gpus("max_memory_allocated")


def rss_bytes() -> int:
    """Memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Recorder:
    """The file of one attempt of a job, what was counted in it so far, and whether it must end."""

    def __init__(self, name: str, uses_gpu: bool, account: Account):
        rule, _, part = name.partition(" ")
        self.name, self.account, self.must_end = name, account, False
        self.start, self.counts, self.lock = time.monotonic(), Counter(), threading.Lock()
        self.devices = devices() if uses_gpu else 0
        self.elsewhere = 0.0  # dollars that other jobs have spent
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

    @property
    def wall_seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self.start

    @property
    def dollars(self) -> float:
        """What the job has cost by now."""
        return self.account.dollars(self.wall_seconds * self.devices)

    def used(self) -> dict:
        """What was used by now."""
        wall = self.wall_seconds
        return {
            "wall_seconds": round(wall, 3),
            "gpu_seconds": round(wall * self.devices, 3),
            "counts": {name: round(value, 3) for name, value in sorted(self.counts.items())},
            "peak_gpu_bytes": peak_gpu_bytes(),
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }

    def is_limited(self) -> bool:
        """Whether a cap holds for this job: one that costs nothing is never ended."""
        return self.account.cap is not None and self.devices > 0

    def watch(self, ended: threading.Event) -> None:
        """Until the job ends: writes what was used every few seconds, and sees the cap come near."""
        written = 0.0
        while not ended.wait(WATCH_SECONDS):
            if self.wall_seconds - written >= min(LAST_BEAT, max(FIRST_BEAT, BEAT_SHARE * self.wall_seconds)):
                self.write("beat", **self.used())
                written = self.wall_seconds
                if self.is_limited():
                    self.elsewhere = cap.spent(self.account, but=self.path)
            reserve = self.account.dollars(self.account.reserve_seconds * self.devices)
            if self.is_limited() and self.elsewhere + self.dollars + reserve >= self.account.cap:
                self.must_end = True


_current: Recorder | None = None


@contextmanager
def recorded(name: str, uses_gpu: bool):
    """Records the job around its body. `name`: its rule, then what part of the rule's work it is.

    InputError, before anything is written, where what is planned for the job would pass the cap.
    """
    global _current
    account = read_account()
    if account is None:
        yield
        return
    if uses_gpu and account.cap is not None:
        cap.check(name, account)
    recorder, ended, status = Recorder(name, uses_gpu, account), threading.Event(), "failed"
    if recorder.is_limited():
        recorder.elsewhere = cap.spent(account, but=recorder.path)
    watch = threading.Thread(target=recorder.watch, args=(ended,), name="usage", daemon=True)
    watch.start()
    _current = recorder
    try:
        yield
        status = "completed"
    except CapReached:
        status = "stopped"
        raise
    finally:
        _current = None
        ended.set()
        watch.join()
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
    """Writes down that a part of the work ("generate_shard 000") is made and will not be made again."""
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


def must_end() -> bool:
    """Whether the running job has to end now, so that the cap is not passed."""
    return _current is not None and _current.must_end


def end_at_cap() -> None:
    """CapReached where the running job must end."""
    if must_end():
        raise cap.reached(_current.account, _current.elsewhere + _current.dollars)
