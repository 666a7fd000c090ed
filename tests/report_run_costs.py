"""The costs of a small finished run for tests of the report, and who made its files."""

import json
from pathlib import Path

from tests.attempt_files import write_attempt
from tests.budget_files import make_plan, shipped
from workflow_scripts import cost_ledger, cost_page
from workflow_scripts.core.hashing import sha256_text
from workflow_scripts.core.outputs import write_json

MACHINE = {"host": "private-host", "system": "Linux", "python": "3.11.9", "cpus": 2, "memory_bytes": 24e9}
COMMAND = ["/home/private/bin/snakemake", "--profile", "profiles/local"]


def write_costs(results: Path) -> None:
    """Plan, frontier and ledger: two sessions, one of them with a GPU, and a job that failed once."""
    make_plan(shipped(), results / "budget")
    gpus = [{"name": "H100", "memory_mib": "81559", "driver": "580.1"}]
    for number, (name, found) in enumerate({"first": [], "second": gpus}.items()):
        machine = {**MACHINE, "gpus": found}
        session = {"start": f"2026-01-0{number + 1}T00:00:00+00:00", "end": None, "status": "completed"}
        commit = {"git_commit": "1" * 40, "git_dirty": bool(found)}
        path = results / f"sessions/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**session, **commit, "command": COMMAND, "machine": machine})
    write_attempt(results / "usage", "respond arm=base", 4, seconds=7200.0)
    words = ["--usage", str(results / "usage"), "--projections", str(results / "budget/plan.json")]
    cost_ledger.main([*words, "--ledger", str(results / "budget/ledger.json")])


def made_by(results: Path) -> dict:
    """Settings of a page about the workflow: each file below the results is made by a rule of its folder."""
    folders = ("sessions", "usage")
    files = sorted(path for path in results.rglob("*") if path.is_file())
    names = [path.relative_to(results).as_posix() for path in files]
    makers = {name: f"make_{name.split('/')[0]}" for name in names if not name.startswith(folders)}
    makers["config.yaml"] = "summary_page"
    rules = sorted(set(makers.values()))
    return {
        "makers": makers,
        "code": {rule: sha256_text(rule) for rule in rules},
        "environment": {rule: sha256_text("analysis") for rule in rules},
        "environment_files": dict.fromkeys(rules, "analysis.yaml"),
        "modules": {rule: f"workflow_scripts/{rule}.py" for rule in rules},
    }


def cost_arguments(results: Path) -> list[str]:
    """The part of the summary page's command line that names the costs."""
    files = {"plan": "plan.json", "frontier": "frontier.svg", "ledger": "ledger.json"}
    return [word for name, file in files.items() for word in (f"--{name}", str(results / "budget" / file))]


def make_cost_page(results: Path) -> str:
    """The page of costs; returns its text. The plan stands in for a later projection."""
    projection = json.loads((results / "budget/plan.json").read_text()) | {
        "measured": ["12 records a second"]
    }
    write_json(results / "budget/projection-sft.json", projection)
    page = results.parent / "reports/costs.html"
    cost_page.main(
        [
            *["--settings", json.dumps(made_by(results)), "--plan", str(results / "budget/plan.json")],
            *["--figure", str(results / "budget/frontier.svg")],
            *["--projections", str(results / "budget/projection-sft.json")],
            *["--ledger", str(results / "budget/ledger.json")],
            *["--variants", str(results / "statistics/variants.json")],
            *["--templates", "reports/templates/style.css.j2", "--page", str(page)],
        ]
    )
    return page.read_text(encoding="utf-8")


def page_settings(results: Path, config: dict) -> str:
    """The summary page's settings."""
    return json.dumps({"config": config, "dropped": [], **made_by(results)})
