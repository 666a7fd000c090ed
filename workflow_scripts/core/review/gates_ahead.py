"""The gates of a run: what they ask, what they decided, what they would decide where that is known now."""

import json
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.gates import Criterion, judge, parse_criteria
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.review.graph import Graph, Job


@dataclass(frozen=True)
class GateAhead:
    """One gate. `decided` is on record from an earlier run; `foreseen` is judged now, on metrics that would
    not be made again; both are a decision or None. `waiting` are the jobs that would run after it."""

    job: Job
    gate: str
    criteria: tuple[Criterion, ...]
    override: str | None
    decided: str | None
    foreseen: str | None
    missed: str | None
    is_record_only: bool
    waiting: tuple[Job, ...]

    @property
    def ends_the_run(self) -> bool:
        """Whether it is known now that the jobs behind it will not run."""
        foreseen = self.foreseen not in (None, "pass")
        return foreseen and self.override is None and not self.is_record_only


def gates_ahead(graph: Graph) -> list[GateAhead]:
    """Every gate, in the order of the jobs."""
    return [_gate(graph, job, settings) for job in graph.jobs if (settings := _gate_settings(job))]


def _gate_settings(job: Job) -> dict | None:
    try:
        return json.loads(job.parameters.get("settings", "null"))["gate"]
    except (TypeError, KeyError):
        return None


def _gate(graph: Graph, job: Job, settings: dict) -> GateAhead:
    path = Path(job.outputs[0])
    decided = read_json(path)["decision"] if path.is_file() else None
    foreseen = _foreseen(graph, job, settings) if job.needs_run else None
    return GateAhead(
        job=job,
        gate=settings["name"],
        criteria=tuple(parse_criteria(settings["name"], settings["criteria"])),
        override=settings["override"],
        decided=decided,
        foreseen=foreseen and foreseen["decision"],
        missed=foreseen["rule"] if foreseen and foreseen["decision"] != "pass" else None,
        is_record_only="record" in job.parameters.get("record_only", ""),
        waiting=graph.behind([job]),
    )


def _foreseen(graph: Graph, job: Job, settings: dict) -> dict | None:
    """The gate judged on the metrics that are there; None if some are not, or would be made again."""
    metrics = [file for file in job.inputs if file != job.script]
    makers = [graph.maker[file] for file in metrics if file in graph.maker]
    if any(maker.needs_run for maker in makers):
        return None
    try:
        return judge(settings["name"], settings["criteria"], settings["override"], metrics)
    except InputError:  # its inputs are no metrics that can be judged here
        return None
