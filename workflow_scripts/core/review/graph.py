"""Jobs, why each would run, and what follows from what: the data behind the review page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

# Why a job would run, in the order in which a page tells it; what follows from another job comes last.
KINDS = {
    "forced": "asked for by name",
    "incomplete": "cut off while it ran",
    "missing": "not made yet",
    "input": "a file changed",
    "inputs": "other input files",
    "setting": "a setting changed",
    "parameter": "a parameter changed",
    "code": "its code changed",
    "environment": "its environment changed",
    "command": "its command changed",
    "upstream": "follows from another job",
}


@dataclass(frozen=True)
class Change:
    """One field with its old and its new value as JSON text; None where it was, or is, not there."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Reason:
    """One reason to run: its kind (a key of KINDS), the files or modules it is about, and what changed."""

    kind: str
    items: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Job:
    """One job. `stage` is the rule file's name; `patterns` are the rule's outputs with their wildcards;
    `parameters` are what reruns it beside files, by name; `recorded` says whether Snakemake knows what made
    its outputs; `parents` are the numbers of the jobs that make its inputs."""

    number: int
    rule: str
    stage: str
    wildcards: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    patterns: tuple[str, ...]
    parameters: Mapping[str, str]
    script: str | None
    needs_run: bool
    recorded: bool
    reasons: tuple[Reason, ...]
    parents: frozenset[int]
    command: str | None = None

    @property
    def name(self) -> str:
        """The rule with its wildcards: `respond evaluation=evaluation arm=sft`."""
        return " ".join([self.rule, *(f"{name}={value}" for name, value in self.wildcards.items())])

    @property
    def is_left_out(self) -> bool:
        """Whether it has reasons to run of its own and Snakemake would nevertheless not run it this time."""
        return bool(self.reasons) and not self.needs_run

    @property
    def own_reasons(self) -> tuple[Reason, ...]:
        """Its reasons but for what follows from other jobs."""
        return tuple(reason for reason in self.reasons if reason.kind != "upstream")


@dataclass(frozen=True)
class Graph:
    """All jobs in an order in which they could run, without the final target; Snakemake's own drawings;
    whether another Snakemake holds these files."""

    jobs: tuple[Job, ...]
    config: Mapping
    results: str
    drawings: Mapping[str, str] = field(default_factory=dict)
    is_locked: bool = False

    @cached_property
    def to_run(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.needs_run)

    @cached_property
    def left_out(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.is_left_out)

    @cached_property
    def unrecorded(self) -> tuple[Job, ...]:
        """Jobs that would not run and of which nobody knows what made their outputs."""
        return tuple(job for job in self.jobs if not job.needs_run and not job.recorded)

    @cached_property
    def maker(self) -> dict[str, Job]:
        """{file: the job that makes it}"""
        return {file: job for job in self.jobs for file in job.outputs}

    @cached_property
    def rules(self) -> dict[str, tuple[Job, ...]]:
        """{rule: its jobs}, in the order of the jobs."""
        return grouped(self.jobs, lambda job: job.rule)

    @cached_property
    def stages(self) -> dict[str, tuple[Job, ...]]:
        """{stage: its jobs}, in the order of the jobs."""
        return grouped(self.jobs, lambda job: job.stage)

    def behind(self, jobs: Iterable[Job]) -> tuple[Job, ...]:
        """The jobs that would run after any of these, directly or not; in order."""
        reached = {job.number for job in jobs}
        found = []
        for job in self.to_run:
            if job.number not in reached and job.parents & reached:
                reached.add(job.number)
                found.append(job)
        return tuple(found)


def grouped(values: Iterable, key) -> dict[str, tuple]:
    """Values by a key, both in order of first appearance."""
    found: dict[str, list] = {}
    for value in values:
        found.setdefault(key(value), []).append(value)
    return {name: tuple(group) for name, group in found.items()}
