"""Rates that a workflow measured, from the benchmark files of an earlier run with the same configuration.

A rate is units over seconds, without what every job spends to start: that is added again for each job that is
planned, however many there will be. Its bounds come from the jobs' spread and from the bounds of the start.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.core.budget.projection import Overheads
from workflow_scripts.core.budget.ranges import Range, exactly
from workflow_scripts.core.budget.throughput import Throughput
from workflow_scripts.core.budget.work import Work
from workflow_scripts.core.errors import InputError

# Which stage a rule's jobs measure. Rules that make nothing that is counted (merges) are left to the terms.
STAGES = {
    "pilot": "sft_data",
    "generate_shard": "sft_data",
    "critic_calibration": "baseline_evaluation",
    "train_sft": "sft",
    "sample_candidates": "pairs",
    "train_dpo": "dpo",
    "respond": "evaluation",
    "respond_again": "evaluation",
}
BASE_ARMS = ("base", "base_raw")
SHORTEST_WORK = (
    0.1  # of a job's seconds: at least this share counts as work, however long a start is said to take
)


@dataclass(frozen=True)
class Measurement:
    """Seconds of one job and the units of its stage that it made; `file` is the benchmark that says so."""

    stage: str
    units: Range
    seconds: float
    file: str


def read_benchmark(path) -> dict:
    """The last line of an extended benchmark file: the job's last run. InputError for a file cut short."""
    remedy = "this benchmark file is cut short or not an extended one: remove it, and run its rule again"
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(file=path, remedy="this benchmark file does not exist: correct the path") from None
    except UnicodeDecodeError:
        raise InputError(file=path, remedy=remedy) from None
    try:
        entry = json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError):
        raise InputError(file=path, field=f"line {max(len(lines), 1)}", remedy=remedy) from None
    seconds = entry.get("s") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or "rule_name" not in entry or not isinstance(seconds, (int, float)):
        raise InputError(file=path, field="s", value=seconds, remedy=remedy)
    if isinstance(seconds, bool) or seconds <= 0:
        raise InputError(file=path, field="s", value=seconds, remedy="a job takes more than 0 seconds")
    return entry


def _stage(entry: dict) -> str | None:
    """The stage that a job belongs to, or None."""
    if entry["rule_name"] == "respond" and (entry.get("wildcards") or {}).get("arm") in BASE_ARMS:
        return "baseline_evaluation"
    return STAGES.get(entry["rule_name"])


def _units(entry: dict, work: Work, settings: dict) -> Range | None:
    """Units of one job; None for a job that is no part of the stage as it is planned."""
    rule, wildcards = entry["rule_name"], entry.get("wildcards") or {}
    sizes = settings["test_set"]["sizes"]
    if rule in ("pilot", "generate_shard"):
        size = (entry.get("params") or {}).get("size")
        return exactly(size) if isinstance(size, int) and size > 0 else None
    if rule == "critic_calibration":
        return exactly(2 * sizes["calibration"])
    if rule == "sample_candidates":
        return work.units / settings["preferences"]["shards"]
    if rule == "respond":
        return exactly(sizes["test" if wildcards.get("evaluation") == "evaluation" else "dev"])
    if rule == "respond_again":
        repeats = settings["evaluation"].get("repeats")
        return exactly(repeats["items"]) if repeats else None
    if rule == "train_dpo":
        primary = settings["statistics"]["primary"]["candidate"].removeprefix("dpo-")
        return work.units if wildcards.get("variant") == primary else None
    return work.units


def measurements(paths: Sequence, works: Sequence[Work], settings: dict) -> list[Measurement]:
    """What the files say about the planned stages; InputError as in `read_benchmark`."""
    planned = {work.stage: work for work in works}
    found = []
    for path in sorted(map(str, paths)):
        entry = read_benchmark(path)
        work = planned.get(_stage(entry))
        units = _units(entry, work, settings) if work else None
        if units is not None:
            found.append(Measurement(work.stage, units, float(entry["s"]), path))
    return found


def measured_throughputs(
    found: Sequence[Measurement], works: Sequence[Work], overheads: Overheads
) -> dict[str, Throughput]:
    """Units a second by stage, for the stages that were measured. `overheads` are those of that run."""
    rates = {}
    for work in works:
        jobs = [measurement for measurement in found if measurement.stage == work.stage]
        if jobs:
            start = overheads.job_seconds + overheads.load_seconds * (work.loads / work.jobs)
            rate = measured_rate(jobs, start)
            rates[work.stage] = Throughput(rate, "measured", f"measured: {len(jobs)} jobs of an earlier run")
    return rates


def measured_rate(jobs: Sequence[Measurement], start_seconds: Range) -> Range:
    """Units a second of jobs together, less their starts.

    Units that are known between bounds count by their middle: the plan has the same bounds, so its middle is
    then the time that was measured.
    """
    units = sum(job.units.middle for job in jobs)
    seconds = sum(job.seconds for job in jobs)

    def working(start: float) -> float:
        return max(seconds - len(jobs) * start, SHORTEST_WORK * seconds)

    return Range(units / working(start_seconds.low), units / working(start_seconds.high))
