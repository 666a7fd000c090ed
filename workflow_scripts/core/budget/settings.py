"""The `budget` slice of the configuration, read into quantities."""

from dataclasses import dataclass

from workflow_scripts.core.budget.ranges import Range, read_range
from workflow_scripts.core.budget.work import OPTIONAL_KINDS
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.memory.weights import linear_bytes

FILE = "config"


@dataclass(frozen=True)
class BudgetSettings:
    """What `budget` states: expected lengths and shares, overheads, sessions, and the frontier's grid."""

    gpu: str
    price: float | None
    cap: float | None
    tolerance: float
    generation_precision: str
    training_precision: str
    estimates: dict
    accepted: Range
    paired: Range
    distinct: Range
    job_seconds: Range
    weights_gb_per_second: Range
    analysis_seconds: Range
    session_hours: Range
    frontier: dict


def _refuse(field: str, value, remedy: str):
    raise InputError(file=FILE, field=f"budget.{field}", value=value, remedy=remedy)


def _share(value, field: str) -> Range:
    share = read_range(value, FILE, f"budget.{field}")
    if share.high > 1:
        _refuse(field, value, "a share is at most 1")
    return share


def read_budget(budget: dict) -> BudgetSettings:
    """The settings, checked. InputError, naming the field, for what the JSON schema cannot see."""
    for field in ("price", "cap"):
        value = budget[field]
        if value is not None and not value > 0:
            _refuse(field, value, "give dollars above 0, or null")
    if sorted(budget["optional"]) != sorted(OPTIONAL_KINDS):
        remedy = f"name each kind once, in the order it is dropped: {', '.join(OPTIONAL_KINDS)}"
        _refuse("optional", budget["optional"], remedy)
    for precision in budget["precision"].values():
        linear_bytes(precision)
    estimates, overheads = budget["estimates"], budget["overheads"]

    def read(values: dict, group: str, name: str) -> Range:
        return read_range(values[name], FILE, f"budget.{group}.{name}")

    return BudgetSettings(
        gpu=budget["gpu"],
        price=budget["price"],
        cap=budget["cap"],
        tolerance=budget["tolerance"],
        generation_precision=budget["precision"]["generation"],
        training_precision=budget["precision"]["training"],
        estimates={
            "instruction_tokens": read(estimates, "estimates", "instruction_tokens"),
            "response_tokens": read(estimates, "estimates", "response_tokens"),
            "characters_per_token": float(estimates["characters_per_token"]),
        },
        accepted=_share(estimates["accepted"], "estimates.accepted"),
        paired=_share(estimates["paired"], "estimates.paired"),
        distinct=_share(estimates["distinct"], "estimates.distinct"),
        job_seconds=read(overheads, "overheads", "job_seconds"),
        weights_gb_per_second=read(overheads, "overheads", "weights_gb_per_second"),
        analysis_seconds=read(overheads, "overheads", "analysis_seconds"),
        session_hours=read_range(budget["session_hours"], FILE, "budget.session_hours"),
        frontier=budget["frontier"],
    )
