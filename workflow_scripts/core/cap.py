"""The cap on a run's dollars: what was spent, what a job is expected to cost, and whether it may begin.

It reads usage files and the newest projection, if there is one: both lie beside the results and are no inputs
of a job, so that a raised cap, or another price, makes no result anew.
"""

from dataclasses import dataclass, field
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.usage_files import HOUR, RUNNING, dollars, read_attempts


class CapReached(InputError):
    """A job ended early, in order, so that the cap is not passed: run again, it goes on from where it was."""


@dataclass(frozen=True)
class Account:
    """Where usage is written, what a device costs an hour, the cap in dollars or None, how many seconds
    before it a job has to end, and the files with projections, the best one first."""

    directory: str
    dollars_per_hour: float
    cap: float | None = None
    reserve_seconds: float = 0.0
    projections: list[str] = field(default_factory=list)

    def dollars(self, gpu_seconds: float) -> float:
        """What GPU seconds cost."""
        return gpu_seconds * self.dollars_per_hour / HOUR


def spent(account: Account, but: Path | None = None) -> float:
    """Dollars of all attempts on record, without one file."""
    return dollars(
        attempt for attempt in read_attempts(account.directory) if but is None or attempt.file != str(but)
    )


def projected_seconds(name: str, account: Account) -> tuple[float, str]:
    """(GPU seconds that a job is expected to take, the projection that says so); 0 where none does."""
    for path in account.projections:
        if Path(path).is_file():
            jobs = read_json(path)["jobs"]
            for key in (name, name.partition(" ")[0]):
                if key in jobs:
                    return jobs[key]["gpu_seconds"], path
    return 0.0, ""


def check(name: str, account: Account) -> None:
    """InputError where what was spent and what this job is expected to cost would pass the cap.

    A job that was ended or killed before has the seconds of those attempts taken off: trainings go on from a
    checkpoint, and what does not is ended at the cap at the latest.
    """
    attempts = read_attempts(account.directory)
    total = dollars(attempts)
    seconds, source = projected_seconds(name, account)
    begun = 0.0
    for attempt in attempts:
        if attempt.name == name:  # what is done, and has to be done again, starts anew
            begun = begun + attempt.gpu_seconds if attempt.status in (RUNNING, "stopped") else 0.0
    expected = account.dollars(max(0.0, seconds - begun))
    if total + expected + account.dollars(account.reserve_seconds) <= account.cap:
        return
    why = f"${total:.4g} is spent"
    if source:
        why += f" and this job is expected to cost ${expected:.4g} more ({source})"
    remedy = f"{why}: raise it, or plan less; what is finished stays, and the same command goes on from there"
    raise InputError(field="budget.cap", value=account.cap, remedy=remedy)


def reached(account: Account, total: float) -> CapReached:
    """The error of a job that ends now."""
    remedy = (
        f"${total:.4g} is spent, so this job ends in order; raise it and run again: what is finished stays,"
        " and a training goes on from the checkpoint that it has just saved"
    )
    return CapReached(field="budget.cap", value=account.cap, remedy=remedy)
