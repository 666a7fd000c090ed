"""What the summary page tells of costs and sessions: all that differs in it between identical runs."""

import shlex

from markupsafe import Markup

from workflow_scripts.core.budget import cost_page, figure
from workflow_scripts.core.budget.tables import amount, between

HOUR = 3600.0
PLAN, LEDGER = cost_page.PLAN, cost_page.LEDGER


def total_figures(plan: dict, ledger: dict) -> dict[str, dict[str, str]]:
    """The run's totals as text, with their places: hours, GPU hours, dollars spent, planned and to come."""
    used = ledger["total"]
    return {
        "hours": {"text": amount(used["wall_seconds"] / HOUR), "place": f"{LEDGER}#total.wall_seconds"},
        "gpu_hours": {"text": amount(used["gpu_seconds"] / HOUR), "place": f"{LEDGER}#total.gpu_seconds"},
        "spent": {"text": f"${amount(used['dollars'])}", "place": f"{LEDGER}#total.dollars"},
        "to_come": {"text": f"${amount(ledger['dollars_to_come'])}", "place": f"{LEDGER}#dollars_to_come"},
        "planned": {
            "text": f"${between(plan['total']['all']['dollars'])}",
            "place": f"{PLAN}#total.all.dollars",
        },
        "cap": {"text": "none" if plan["cap"] is None else f"${plan['cap']:g}", "place": f"{PLAN}#cap"},
    }


def session_rows(ledger: dict) -> list[dict]:
    """When each session ran, how it ended, on which machine, how it was started; None for what is unknown."""
    rows = []
    for name, used in ledger["by_session"].items():
        machine = used["machine"] or {}
        gpus = [f"{gpu['name']}, driver {gpu['driver']}" for gpu in machine.get("gpus", [])]
        memory = machine.get("memory_bytes")
        rows.append(
            {
                "session": name,
                "start": _time(used["start"]),
                "end": _time(used["end"]),
                "status": used["status"],
                "system": machine.get("system"),
                "python": machine.get("python"),
                "cpus": machine.get("cpus"),
                "memory": None if memory is None else f"{memory / 1e9:.0f} GB",
                "gpus": "; ".join(gpus) or ("none" if machine else None),
                "command": _command(used["command"]),
                "commit": _commit(used),
            }
        )
    return rows


def _time(text: str | None) -> str | None:
    """A time in ISO 8601, in UTC, as it is read."""
    return text and text.replace("T", " ").replace("+00:00", " UTC")


def _command(words: list[str] | None) -> str | None:
    """A command line; how Snakemake calls itself is `snakemake`."""
    return words and shlex.join(["snakemake" if words[0] == "__main__.py" else words[0], *words[1:]])


def _commit(used: dict) -> str | None:
    commit = used["git_commit"]
    return f"{commit} with changes" if commit and used["git_dirty"] else commit


def costs_content(plan: dict, ledger: dict, frontier: Markup) -> dict:
    """The names that the sections on costs and sessions use."""
    return {
        "frontier": {
            "picture": frontier,
            "title": figure.TITLE,
            "tables": [cost_page.frontier_table(plan), cost_page.gpu_table(plan)],
        },
        "cost_tables": [
            cost_page.comparison_table(ledger),
            cost_page.use_table("Used, by rule", ledger, "by_rule"),
        ],
        "sessions": session_rows(ledger),
        "totals": total_figures(plan, ledger),
    }
