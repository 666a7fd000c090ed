"""Progress inside long loops: every ten seconds a line says how much is done, how fast, and what is left.

    verdicts: 1200/5000 answers, 56.3 answers/s, 1 min 08 s left

Whole lines, so that a log reads well with `tail -f`; what is written here is read here, too, for the live
table.
"""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from workflow_scripts.core import usage

SECONDS = 10.0  # between two lines of a loop
PER = {"s": 1.0, "min": 60.0, "h": 3600.0}
LINE = re.compile(
    r"(?P<label>.+): (?P<done>[\d.]+)/(?P<total>[\d.]+) (?P<unit>\S+),"
    r" (?P<rate>[\d.,]+ \S+/(?:s|min|h)), (?P<time>\d.*?)(?P<open> left)?"
)
GIGABYTE = 10**9


def duration(seconds: float) -> str:
    """Seconds as a person says them: "8 s", "1 min 08 s", "2 h 05 min", "3 d 04 h"."""
    whole = max(0, round(seconds))  # clocks of two machines may differ
    for size, name, part, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // part:02d} {smaller}"
    return f"{whole} s"


def rate_text(per_second: float, unit: str) -> str:
    """A rate per second, minute or hour, whichever is the first to reach one."""
    per = next((name for name, seconds in PER.items() if per_second * seconds >= 1), "h")
    return f"{per_second * PER[per]:.1f} {unit}/{per}"


class Progress:
    """Counts what is done of `total` things, called `unit`, and prints it to stderr as `label`: at most every
    ten seconds, and once at the end.

    `may_end`: the loop that it counts may be left at any time, so that a job can end there at the cap.
    `scale`: so many of what is counted are one of the unit (bytes, shown in gigabytes). `brief`: a loop that
    is over before its first line is due prints none.
    """

    def __init__(
        self, total: int, unit: str, label: str, may_end: bool = False, scale: int = 1, brief: bool = False
    ):
        self.total, self.unit, self.label, self.may_end = total, unit, label, may_end
        self.scale, self.brief = scale, brief
        self.done = 0
        self.start = self.printed = time.monotonic()

    def advance(self, n: int = 1) -> None:
        """Counts n more as done; where the work may end here, ends it before it costs more than it may."""
        self.done += n
        if self.may_end:
            usage.end_at_cap()
        now = time.monotonic()
        due, over = now - self.printed >= SECONDS, self.done >= self.total
        if not due and not (over and (not self.brief or self.printed > self.start)):
            return
        self.printed = now
        print(self.line(now - self.start), file=sys.stderr, flush=True)

    def line(self, elapsed: float) -> str:
        """What is printed after so many seconds: what remains, or at the end what it took."""
        rate = self.done / max(elapsed, 1e-9)
        took = f"{elapsed:.1f} s" if elapsed < 60 else duration(elapsed)
        left = f"{duration((self.total - self.done) / rate)} left" if self.done < self.total else took
        done, total = (
            str(value) if self.scale == 1 else f"{value / self.scale:.1f}"
            for value in (self.done, self.total)
        )
        return f"{self.label}: {done}/{total} {self.unit}, {rate_text(rate / self.scale, self.unit)}, {left}"


def counted(items: Iterable, total: int, unit: str, label: str) -> Iterator:
    """The items in turn, each counted as done when the next is asked for; lines where that takes long."""
    counter = Progress(total, unit, label, brief=True)
    for item in items:
        yield item
        counter.advance()


def in_place_of_a_bar(factory, arguments: tuple, named: dict) -> Iterator:
    """What transformers is to make in place of a bar (`set_tqdm_hook`) around the parts of a model."""
    (items,) = arguments
    return counted(items, len(items), "parts", named["desc"].lower())


def of_files(paths: Iterable[Path], label: str) -> Progress:
    """A counter of the bytes of files, in gigabytes, for functions that tell what they have read."""
    return Progress(sum(path.stat().st_size for path in paths), "GB", label, scale=GIGABYTE, brief=True)


class Reading(NamedTuple):
    """What a line says; `time` is what remains where the loop is still `open`, and else what it took."""

    label: str
    done: str
    total: str
    unit: str
    rate: str
    time: str
    open: bool


def read_line(line: str) -> Reading | None:
    """What a line of progress says; None for any other line."""
    found = LINE.fullmatch(line)
    return Reading(**{**found.groupdict(), "open": found["open"] is not None}) if found else None
