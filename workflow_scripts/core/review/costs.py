"""What the jobs that would run are planned to take: lines of the budget's plan, shared among their jobs.

A plan prices whole lines (a stage of its own reckoning). A line of which k of n jobs would run counts as k/n
of it; a line of which all run counts whole.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.review.graph import Graph, Job, grouped

PLANNING = "plan_budget"
LINES = {
    "base_model": "baseline_evaluation",
    "contamination_guard": "baseline_evaluation",
    "sentinels": "baseline_evaluation",
    "critic_calibration": "baseline_evaluation",
    "pilot": "sft_data",
    "generate_shard": "sft_data",
    "train_sft": "sft",
    "merge_sft": "sft",
    "sample_candidates": "pairs",
    "train_sft_longer": "control_sft_longer",
    "merge_sft_longer": "control_sft_longer",
    "respond_again": "evaluation",
}
ARM_LINES = {
    "base": "baseline_evaluation",
    "base_raw": "baseline_evaluation",
    "sft-longer": "control_sft_longer",
}
ANALYSIS = "analysis"
TEE = re.compile(r"\s+2>&1 \| tee .*$", re.DOTALL)


@dataclass(frozen=True)
class Cost:
    """Hours and dollars between bounds."""

    hours: tuple[float, float]
    dollars: tuple[float, float]

    def __mul__(self, share: float) -> "Cost":
        return Cost(*(tuple(bound * share for bound in bounds) for bounds in (self.hours, self.dollars)))

    def __add__(self, other: "Cost") -> "Cost":
        pairs = ((self.hours, other.hours), (self.dollars, other.dollars))
        return Cost(*(tuple(map(sum, zip(*pair, strict=True))) for pair in pairs))


NOTHING = Cost((0.0, 0.0), (0.0, 0.0))


def line_of(job: Job, primary: str) -> str:
    """The line of the plan that a job belongs to; `primary` is the claim's DPO variant."""
    if job.rule in ("train_dpo", "merge_dpo"):
        return "dpo" if job.wildcards["variant"] == primary else f"dpo-{job.wildcards['variant']}"
    if job.rule == "respond":
        arm = job.wildcards["arm"]
        if arm.startswith("dpo-") and arm != f"dpo-{primary}":
            return arm
        return ARM_LINES.get(arm, "evaluation")
    return LINES.get(job.rule, ANALYSIS)


def _planned(plan: dict) -> dict[str, Cost]:
    """{line: its cost}"""
    return {
        entry["stage"]: Cost(*((entry[unit]["low"], entry[unit]["high"]) for unit in ("hours", "dollars")))
        for entry in plan["stages"]
    }


def rule_costs(graph: Graph, plan: dict) -> dict[str, Cost]:
    """{rule: what its jobs that would run cost}; rules of lines that the plan does not have are left out."""
    primary = graph.config["statistics"]["primary"]["candidate"].removeprefix("dpo-")
    planned = _planned(plan)
    found: dict[str, Cost] = {}
    for line, jobs in grouped(graph.jobs, lambda job: line_of(job, primary)).items():
        if line in planned:
            for rule, of_rule in grouped(jobs, lambda job: job.rule).items():
                share = sum(job.needs_run for job in of_rule) / len(jobs)
                found[rule] = found.get(rule, NOTHING) + planned[line] * share
    return found


def total(costs) -> Cost:
    """The sum of costs."""
    return sum(costs, NOTHING)


def whole(plan: dict) -> Cost:
    """What the plan says of a whole run."""
    return total(_planned(plan).values())


def read_plan(graph: Graph) -> tuple[dict | None, str]:
    """The plan of this configuration, and where it is from or why there is none.

    It is the results' own where that is up to date. Otherwise the budget's rule makes one in a temporary
    folder: it reads the configuration alone, and takes no GPU.
    """
    job = next((job for job in graph.jobs if job.rule == PLANNING), None)
    path = Path(graph.results) / "budget/plan.json"
    if job is None:
        return None, "this workflow plans no budget"
    if not job.needs_run and path.is_file():
        return read_json(path), path.as_posix()
    return _made_plan(job)


def _made_plan(job: Job) -> tuple[dict | None, str]:
    with tempfile.TemporaryDirectory() as folder:
        command = TEE.sub("", job.command)
        for output in job.outputs:
            command = command.replace(output, f"{folder}/{Path(output).name}")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        streams = {"capture_output": True, "text": True, "env": os.environ | {"PATH": path}}
        result = subprocess.run(["bash", "-c", command], **streams)
        if result.returncode != 0:
            return None, (result.stderr.strip().splitlines() or ["the planner failed"])[-1]
        plan = read_json(Path(folder) / "plan.json")
    return plan, "planned for this page from the configuration"
