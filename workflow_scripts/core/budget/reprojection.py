"""The projection while a run goes on: what is spent, and what is to come at the rates that were measured."""

from collections.abc import Mapping, Sequence

from workflow_scripts.core.budget import calibration, dropping
from workflow_scripts.core.budget.calibration import Factor, finished
from workflow_scripts.core.budget.inputs import Inputs
from workflow_scripts.core.budget.jobs import planned_jobs
from workflow_scripts.core.budget.planner import Planner
from workflow_scripts.core.budget.projection import HOUR, StageCost
from workflow_scripts.core.budget.ranges import NOTHING, Range, exactly, total
from workflow_scripts.core.budget.tables import amount
from workflow_scripts.core.budget.work import Work
from workflow_scripts.core.cap import Account
from workflow_scripts.core.usage_files import Attempt, dollars


def made_jobs(attempts: Sequence[Attempt]) -> set[str]:
    """Names of the jobs whose work is done, by themselves or by one that loaded the model for several."""
    names = {attempt.name for attempt in attempts if attempt.status == "completed"}
    return names | {name for attempt in attempts for name in attempt.made}


def left(work: Work, cost: StageCost, settings: dict, made: set[str]) -> Range:
    """Hours of a stage that are still to come; those without a GPU count until all of its jobs are done."""
    jobs = planned_jobs(work, settings)
    if not jobs:
        return cost.hours
    if all(job.name in made for job in jobs):
        return NOTHING
    done = total(job.hours(work, cost) for job in jobs if job.name in made)
    return Range(max(0.0, cost.hours.low - done.low), max(0.0, cost.hours.high - done.high))


def stage_entries(
    works: Sequence[Work],
    costs: Sequence[StageCost],
    settings: dict,
    attempts: Sequence[Attempt],
    price: float,
) -> list[dict]:
    """One entry for each stage: projected as a whole, what of it is to come, and what its jobs have used."""
    made, entries = made_jobs(attempts), []
    analysed = {job.name for work in works for job in planned_jobs(work, settings)} <= made
    for work, cost in zip(works, costs, strict=True):
        names = {job.name for job in planned_jobs(work, settings)}
        own = [attempt for attempt in attempts if attempt.name in names]
        still = NOTHING if analysed else left(work, cost, settings, made)
        gpu_hours = total(job.hours(work, cost) for job in planned_jobs(work, settings))
        entries.append(
            {
                "stage": work.stage,
                "optional": work.optional,
                "unit": work.unit,
                "units": work.units.rounded(1),
                "jobs": len(names),
                "jobs_done": len(names & made),
                "throughputs": {name: rate.as_dict() for name, rate in cost.throughputs.items()},
                "hours_by_term": {name: hours.rounded() for name, hours in cost.terms.items()},
                "hours": cost.hours.rounded(),
                "dollars": cost.dollars.rounded(),
                "gpu_hours": gpu_hours.rounded(),
                "hours_to_come": still.rounded(),
                "dollars_to_come": (still * price).rounded(),
                "gpu_seconds_used": round(sum(attempt.gpu_seconds for attempt in own), 3),
                "dollars_used": round(dollars(own), 6),
            }
        )
    return entries


def expected_jobs(works: Sequence[Work], costs: Sequence[StageCost], settings: dict, bound: str) -> dict:
    """{job: {"stage", "expected_seconds", "gpu_seconds"}}: what is expected of each job, and what it is held
    to before it starts (core/cap.py).

    `bound` of the latter: `low` where nothing was measured, so that a doubtful rate refuses no job; else
    `middle`.
    """
    return {
        job.name: {
            "stage": work.stage,
            "expected_seconds": round(job.hours(work, cost).middle * HOUR, 3),
            "gpu_seconds": round(getattr(job.hours(work, cost), bound) * HOUR, 3),
        }
        for work, cost in zip(works, costs, strict=True)
        for job in planned_jobs(work, settings)
    }


def evidence(attempts: Sequence[Attempt], planner: Planner, price: float) -> list[str]:
    """What was measured, in words, with what it means for the whole."""
    found, generation = [], planner.settings["generation"]
    pilots = finished(attempts, ("pilot",))
    if pilots:
        counts = pilots[-1].counts
        seconds = counts.get("generating_seconds", 0.0) + counts.get("judging_seconds", 0.0)
        planned = generation["shards"] * generation["shard_size"]
        hours = planned / generation["pilot_size"] * seconds / HOUR
        found.append(
            f"pilot: {generation['pilot_size']} records in {amount(seconds / 60)} minutes, so {planned:,}"
            f" records take {amount(hours)} h and ${amount(hours * price)}"
        )
    for attempt in finished(attempts, ("train_sft",))[-1:]:
        seconds = attempt.counts["training_seconds"] - attempt.counts.get("dev_seconds", 0.0)
        rate = attempt.counts["training_tokens"] / seconds
        found.append(f"train_sft: {attempt.counts['training_tokens']:,.0f} tokens at {rate:,.0f} a second")
    return found


def decide(
    entries: Sequence[dict], spent: float, cap: float | None, settings: dict, bound
) -> tuple[list[dict], dict]:
    """(what has to be dropped, the metrics of the budget gate). `bound` picks a number from {"low", "high"}.

    Work is dropped while spent and to come pass the cap by more than `budget.tolerance`.
    """
    total_dollars = spent + sum(bound(entry["dollars_to_come"]) for entry in entries)
    optional = [
        {**entry, "dollars": bound(entry["dollars_to_come"])} for entry in entries if entry["optional"]
    ]
    limit = float("inf") if cap is None else cap * (1 + settings["budget"]["tolerance"])
    dropped = dropping.choose(optional, total_dollars, limit, settings)
    names = {f"{dropping.PREFIX}{entry['variant']}" for entry in dropped}
    stays = [entry for entry in entries if entry["stage"] not in names]
    low, high = (spent + sum(entry["dollars_to_come"][name] for entry in stays) for name in ("low", "high"))
    value = spent + sum(bound(entry["dollars_to_come"]) for entry in stays)

    def metric(scale: float) -> dict:
        numbers = {"value": value, "low": low, "high": high}
        return {name: round(number * scale, 6) for name, number in numbers.items()}

    metrics = {
        "spent_dollars": {"value": round(spent, 6)},
        "projected_dollars": metric(1.0),
        "cap_share": metric(1 / cap if cap else 0.0),
        "newly_dropped": {"value": len(dropped)},
    }
    if dropped:
        metrics["newly_dropped"]["note"] = (
            f"{', '.join(sorted(names))} dropped, in the order of budget.optional; run the same command"
            " again: it goes on without"
        )
    return dropped, metrics


def middle(bounds: Mapping[str, float]) -> float:
    """The geometric mean of two bounds, as everywhere in plans."""
    return (bounds["low"] * bounds["high"]) ** 0.5


def factor_entries(factors: Mapping[str, Factor | None]) -> dict:
    """The factors for a result file; what was not measured is null."""
    return {
        name: factor and {"value": round(factor.value, 4), "jobs": factor.jobs, "source": factor.source}
        for name, factor in factors.items()
    }


def make_projection(
    inputs: Inputs,
    attempts: Sequence[Attempt],
    records: Sequence[dict],
    examples: int | None,
    smoke: Mapping[str, float] | None,
) -> dict:
    """The projection as it is written. `records` are the pilot's; `examples` is None before there are any."""
    stated = inputs.planner()
    pilot = next(iter(reversed(finished(attempts, ("pilot",)))), None)
    confidence = stated.settings["statistics"]["confidence"]
    accepted = calibration.measured_acceptance(records, confidence)
    if examples is not None:
        accepted = exactly(
            examples / (stated.settings["generation"]["shards"] * stated.settings["generation"]["shard_size"])
        )
    estimates = calibration.measured_texts(records, pilot, stated)
    planner = inputs.planner(estimates=estimates, accepted=accepted)
    gpu = planner.catalogue.gpu(planner.budget.gpu)
    price, works = planner.price(gpu), planner.works()
    rates = planner.stated_rates(gpu)
    factors = calibration.factors(attempts, planner, works, rates, smoke)
    costs = calibration.calibrated(planner, works, factors, rates)
    entries = stage_entries(works, costs, planner.settings, attempts, price)
    spent = dollars(attempts)
    dropped, metrics = decide(entries, spent, planner.budget.cap, planner.settings, middle)
    said = evidence(attempts, planner, price)
    metrics["cap_share"]["note"] = "; ".join(said)
    sums = {
        unit: {bound: round(sum(entry[unit][bound] for entry in entries), 6) for bound in ("low", "high")}
        for unit in ("hours", "dollars", "hours_to_come", "dollars_to_come")
    }
    return {
        "stage": "budget",
        "metrics": metrics,
        "measured": said,
        "gpu": {"id": gpu.id, "name": gpu.name, "dollars_per_hour": price},
        "cap": planner.budget.cap,
        "dropped": planner.settings["dropped"],
        "newly_dropped": dropped,
        "factors": factor_entries(factors),
        "estimates": {
            name: value.rounded(4) if isinstance(value, Range) else round(value, 4)
            for name, value in {**estimates, "accepted": accepted}.items()
        },
        "stages": entries,
        "total": sums,
        "jobs": expected_jobs(works, costs, planner.settings, "middle"),
    }


def entries_now(projection: dict, made: set[str], price: float, dropped: Sequence[dict]) -> list[dict]:
    """What of each stage is to come by now, without those that are dropped: {"stage", "optional",
    "dollars_to_come"}. A stage without jobs of its own lasts until all are made."""
    jobs, entries = projection["jobs"], []
    names = {f"{dropping.PREFIX}{entry['variant']}" for entry in dropped}
    for entry in projection["stages"]:
        own = {name: job["expected_seconds"] for name, job in jobs.items() if job["stage"] == entry["stage"]}
        waiting = sum(seconds for name, seconds in own.items() if name not in made)
        share = waiting / sum(own.values()) if own else float(not jobs.keys() <= made)
        if entry["stage"] not in names:
            coming = {bound: hours * share * price for bound, hours in entry["hours"].items()}
            entries.append(
                {"stage": entry["stage"], "optional": entry["optional"], "dollars_to_come": coming}
            )
    return entries


def judged_now(
    projection: dict, attempts: Sequence[Attempt], account: Account, settings: dict
) -> tuple[list[dict], dict]:
    """(what has to be dropped, the gate's metrics) at today's price, cap and spending."""
    made = made_jobs(attempts)
    entries = entries_now(projection, made, account.dollars_per_hour, settings["dropped"])
    dropped, metrics = decide(entries, dollars(attempts), account.cap, settings, middle)
    metrics["cap_share"]["note"] = "; ".join(projection["measured"])
    return dropped, metrics
