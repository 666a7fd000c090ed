"""Hours and dollars: work over throughputs, times a price. Pure functions, for plans and re-projections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflow_scripts.core.budget.ranges import Range, exactly, total
from workflow_scripts.core.budget.throughput import Throughput
from workflow_scripts.core.budget.work import Work
from workflow_scripts.core.errors import InputError

HOUR = 3600.0
GIGABYTE = 1e9
# Sums of rounded figures are compared to this share.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Overheads:
    """What a job costs beside its work: `job_seconds` to start, and how fast its weights are read; and how
    many jobs run at once."""

    job_seconds: Range
    weights_gb_per_second: Range
    weight_bytes: float
    jobs_at_once: int = 1

    @property
    def load_seconds(self) -> Range:
        """One reading of the weights."""
        return exactly(self.weight_bytes / GIGABYTE) / self.weights_gb_per_second


@dataclass(frozen=True)
class StageCost:
    """One line of a plan. `terms` are its hours by term, `throughputs` the rates that made them."""

    stage: str
    optional: str | None
    hours: Range
    dollars: Range
    terms: dict[str, Range]
    throughputs: dict[str, Throughput]


def started_jobs(work: Work, jobs_at_once: int) -> Range:
    """Jobs that load a model: one for each block, or as many as share a block because they run at once."""
    sharing = min(work.shards - work.blocks, work.blocks * (jobs_at_once - 1))
    return Range(work.jobs, work.jobs + sharing)


def project_stage(
    work: Work, rates: Mapping[str, Throughput], overheads: Overheads, dollars_per_hour: float
) -> StageCost:
    """One stage. `rates`: tokens a second by kind, or `measured`, units a second, in place of all terms.

    A rate under a term's own name goes before that of its kind.
    """
    if "measured" in rates:
        terms = {"measured": work.units / rates["measured"].per_second}
        used = {"measured": rates["measured"]}
    else:
        kinds = {name: name if name in rates else term.kind for name, term in work.terms.items()}
        terms = {name: term.amount / rates[kinds[name]].per_second for name, term in work.terms.items()}
        used = {kind: rates[kind] for kind in kinds.values()}
    started = started_jobs(work, overheads.jobs_at_once)
    loads_of_a_job = work.loads / work.jobs if work.jobs else 0
    seconds = terms | {
        "job_starts": overheads.job_seconds * started,
        "weight_loads": overheads.load_seconds * started * loads_of_a_job,
        "without_model": work.fixed_seconds,
    }
    hours = {name: value / HOUR for name, value in seconds.items() if value.high > 0}
    spent = total(hours.values())
    return StageCost(work.stage, work.optional, spent, spent * dollars_per_hour, hours, used)


def project(
    works: Sequence[Work],
    throughputs: Mapping[str, Throughput],
    overheads: Overheads,
    dollars_per_hour: float,
    measured: Mapping[str, Throughput] | None = None,
) -> list[StageCost]:
    """All stages. `throughputs` by kind of work, `measured` by stage (units a second), which go first."""

    def rates(work: Work) -> Mapping[str, Throughput]:
        own = (measured or {}).get(work.measured_as or work.stage)
        return throughputs if own is None else {"measured": own}

    return [project_stage(work, rates(work), overheads, dollars_per_hour) for work in works]


def totals(costs: Sequence[StageCost]) -> dict[str, Range]:
    """Hours and dollars of all lines together."""
    return {
        "hours": total(cost.hours for cost in costs),
        "dollars": total(cost.dollars for cost in costs),
    }


def sessions(costs: Sequence[StageCost], hours: Range) -> list[dict]:
    """The stages in sessions: each ends after the stage that brings it to `hours.low`, before `hours.high`.

    Planned on the upper bounds. A stage that does not fit in what is left of a session goes on in the next,
    since jobs resume; its hours are split in proportion. Returns [{"stages", "hours", "dollars"}].
    """
    planned, stages, spent, dollars, length = [], [], [], [], 0.0

    def close():
        nonlocal stages, spent, dollars, length
        planned.append({"stages": stages, "hours": total(spent), "dollars": total(dollars)})
        stages, spent, dollars, length = [], [], [], 0.0

    for cost in costs:
        left = 1.0
        while left > ROUNDING:
            need = cost.hours.high * left
            share = left if length + need <= hours.high else (hours.high - length) / cost.hours.high
            stages.append(cost.stage)
            spent.append(cost.hours * share)
            dollars.append(cost.dollars * share)
            length += cost.hours.high * share
            left -= share
            if left > ROUNDING or length >= hours.low:
                close()
    if stages:
        close()
    return planned


def check_sum(parts: Sequence[Range], stated: Range, file, field: str, tolerance: float = ROUNDING) -> None:
    """InputError unless the parts add up to what is stated as their total, at both bounds."""
    summed = total(parts)
    wrong = any(
        abs(ours - theirs) > tolerance * max(1.0, abs(theirs))
        for ours, theirs in ((summed.low, stated.low), (summed.high, stated.high))
    )
    if wrong:
        remedy = f"the lines add up to {summed.low:g} to {summed.high:g}: correct the total or the lines"
        raise InputError(file=file, field=field, value=f"{stated.low:g} to {stated.high:g}", remedy=remedy)
