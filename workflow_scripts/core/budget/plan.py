"""plan.json: stages, sessions, totals, GPUs, frontier, and what all of it rests on."""

from collections.abc import Sequence
from operator import itemgetter

from workflow_scripts.core.budget import reprojection
from workflow_scripts.core.budget.catalogue import Catalogue
from workflow_scripts.core.budget.frontier import frontier
from workflow_scripts.core.budget.pareto import Option, dominated_by
from workflow_scripts.core.budget.planner import Planner, feasibility, memory_by_precision
from workflow_scripts.core.budget.projection import StageCost, check_sum, sessions, totals
from workflow_scripts.core.budget.ranges import Range, total
from workflow_scripts.core.budget.tables import amount
from workflow_scripts.core.budget.work import Work
from workflow_scripts.core.errors import InputError

SOURCE = "plan"


def _stage_entry(cost: StageCost, work: Work) -> dict:
    return {
        "stage": cost.stage,
        "optional": cost.optional,
        "unit": work.unit,
        "units": work.units.rounded(1),
        "jobs": work.jobs,
        "weight_loads": work.loads,
        "work": {name: {**term.amount.rounded(0), "kind": term.kind} for name, term in work.terms.items()},
        "throughputs": {kind: rate.as_dict() for kind, rate in cost.throughputs.items()},
        "hours_by_term": {name: hours.rounded() for name, hours in cost.terms.items()},
        "hours": cost.hours.rounded(),
        "dollars": cost.dollars.rounded(),
    }


def _totals(costs: Sequence[StageCost]) -> dict:
    """Core, optional and all, each {"hours", "dollars"}; checked to add up to the sum of the lines' terms."""
    groups = {
        "core": [cost for cost in costs if cost.optional is None],
        "optional": [cost for cost in costs if cost.optional],
        "all": list(costs),
    }
    entries = {}
    for name, group in groups.items():
        sums = totals(group)
        check_sum([total(cost.terms.values()) for cost in group], sums["hours"], SOURCE, f"{name}.hours")
        entries[name] = {unit: value.rounded() for unit, value in sums.items()}
    return entries


def _sessions(costs: Sequence[StageCost], hours: Range) -> list[dict]:
    """Sessions, checked to add up to the total."""
    planned = sessions(costs, hours)
    for unit, value in totals(costs).items():
        check_sum([session[unit] for session in planned], value, SOURCE, f"sessions.{unit}")
    return [
        {
            "session": place,
            "stages": session["stages"],
            "hours": session["hours"].rounded(),
            "dollars": session["dollars"].rounded(),
        }
        for place, session in enumerate(planned, 1)
    ]


def gpu_table(planner: Planner, works: Sequence[Work]) -> list[dict]:
    """Each GPU of the catalogue: whether it holds the model, hours, dollars, who dominates it, the cap.

    Only GPUs that hold the model can dominate another or lie on the front.
    """
    options, gpus = {}, planner.catalogue.compared(planner.budget.gpu)
    for gpu in gpus:
        sums = totals(planner.costs(gpu, works))
        options[gpu.id] = Option(sums["hours"], sums["dollars"])
    held = {gpu.id: feasibility(planner, gpu) for gpu in gpus}
    beaten = dominated_by({name: option for name, option in options.items() if held[name]["feasible"]})
    cap = planner.budget.cap
    return [
        {
            "gpu": gpu.id,
            "name": gpu.name,
            "dollars_per_hour": planner.price(gpu),
            "memory_gb": gpu.memory_gb,
            "fits": held[gpu.id],
            "hours": options[gpu.id].hours.rounded(),
            "dollars": options[gpu.id].dollars.rounded(),
            "dominated_by": beaten.get(gpu.id, []),
            "on_front": gpu.id in beaten and not beaten[gpu.id],
            "over_cap": cap is not None and options[gpu.id].dollars.high > cap,
        }
        for gpu in gpus
    ]


def recommended(rows: Sequence[dict]) -> dict:
    """The cheapest GPU on the front, at the upper bound, with the reason and what a faster one costs more."""
    on_front = sorted(
        (entry for entry in rows if entry["on_front"]), key=lambda entry: entry["dollars"]["high"]
    )
    if not on_front:
        return {"gpu": None, "why": "no GPU of the catalogue holds the model in the configured precisions"}
    first, *others = on_front
    infeasible = [entry["name"] for entry in rows if not entry["fits"]["feasible"]]
    dominated = [entry["name"] for entry in rows if entry["dominated_by"]]
    parts = [f"{first['name']} costs least, up to ${amount(first['dollars']['high'])}"]
    for entry in others:
        saved = first["hours"]["high"] - entry["hours"]["high"]
        more = entry["dollars"]["high"] - first["dollars"]["high"]
        parts.append(f"{entry['name']} saves {amount(saved)} h for ${amount(more)} more")
    if dominated:
        parts.append(f"dominated: {', '.join(dominated)}")
    if infeasible:
        parts.append(f"too small: {', '.join(infeasible)}")
    return {"gpu": first["gpu"], "why": "; ".join(parts)}


def _metrics(sums: dict) -> dict:
    """What the whole is projected to take."""

    def entry(bounds: dict) -> dict:
        value = (bounds["low"] * bounds["high"]) ** 0.5
        return {"value": round(value, 6), "low": round(bounds["low"], 6), "high": round(bounds["high"], 6)}

    metrics = {f"projected_{unit}": entry(sums["all"][unit]) for unit in ("hours", "dollars")}
    return metrics | {"projected_core_dollars": entry(sums["core"]["dollars"])}


def make_plan(planner: Planner) -> dict:
    """The whole plan. InputError when the catalogue lacks the configured GPU, or it cannot hold the model."""
    catalogue: Catalogue = planner.catalogue
    gpu = catalogue.gpu(planner.budget.gpu)
    rows_works = planner.works()
    costs = planner.costs(gpu, rows_works)
    rows = gpu_table(planner, rows_works)
    if not planner.fits(gpu):
        precision = planner.settings["budget"]["precision"]
        remedy = "the model does not fit: choose a larger GPU, another precision, or a smaller batch"
        raise InputError(file="config", field="budget.gpu", value=f"{gpu.id} {precision}", remedy=remedy)
    sums = _totals(costs)
    feasible = [entry for entry in catalogue.compared(gpu.id) if planner.fits(entry)]
    budget = planner.budget
    entries = reprojection.stage_entries(rows_works, costs, planner.settings, [], planner.price(gpu))
    # Nothing is measured yet: only what even the low bound cannot pay for is dropped.
    dropped, judged = reprojection.decide(entries, 0.0, budget.cap, planner.settings, itemgetter("low"))
    return {
        "stage": "budget",
        "metrics": _metrics(sums) | {name: judged[name] for name in ("cap_share", "newly_dropped")},
        "dropped": planner.settings["dropped"],
        "newly_dropped": dropped,
        "gpu": {"id": gpu.id, "name": gpu.name, "dollars_per_hour": planner.price(gpu)},
        "cap": budget.cap,
        "model": {
            "parameters": planner.shape.parameters,
            "adapter_parameters": planner.shape.lora_parameters(
                planner.settings["sft"]["lora"]["rank"], planner.settings["sft"]["lora"]["target_modules"]
            ),
            "precision": planner.settings["budget"]["precision"],
        },
        "stages": [_stage_entry(cost, work) for cost, work in zip(costs, rows_works, strict=True)],
        "sessions": _sessions(costs, budget.session_hours),
        "total": sums,
        "jobs": reprojection.expected_jobs(rows_works, costs, planner.settings, "low"),
        "gpus": rows,
        "recommended": recommended(rows),
        "frontier": frontier(planner, feasible),
        "memory_gb": memory_by_precision(planner),
        "assumptions": {
            "estimates": planner.settings["budget"]["estimates"],
            "overheads": planner.settings["budget"]["overheads"],
            "prompt_tokens": {
                name: value.rounded(1)
                for name, value in vars(planner.lengths).items()
                if isinstance(value, Range)
            },
            "reviews_per_judgement": planner.lengths.reviews,
            "catalogue_model": catalogue.model,
            "discordance": budget.frontier["discordance"],
            "power": budget.frontier["power"],
        },
    }
