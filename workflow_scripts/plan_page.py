"""Writes a plan as a Markdown page that shows its arithmetic, term by term.

python -m workflow_scripts.plan_page --plan results/budget/plan.json --page docs/budget_arithmetic.md
"""

import argparse
from pathlib import Path

from workflow_scripts.core.budget.page import page
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plan", required=True, type=Path, help="plan that plan_budget wrote (JSON)")
    parser.add_argument("--page", required=True, type=Path, help="page to write (Markdown)")
    return parser.parse_args(argv)


def read_plan(path: Path) -> dict:
    """A plan.json. InputError when the file is missing or is none."""
    try:
        plan = read_json(path)
    except FileNotFoundError:
        raise InputError(file=path, remedy="this plan does not exist: make it with plan_budget") from None
    if not isinstance(plan, dict) or plan.get("stage") != "budget":
        raise InputError(file=path, field="stage", remedy="this is no plan: make it with plan_budget")
    return plan


def main(argv=None) -> None:
    """Reads the plan and writes the page."""
    arguments = parse_arguments(argv)
    with job("plan_page"), guarded(arguments.page) as (temporary,):
        temporary.write_text(page(read_plan(arguments.plan)), encoding="utf-8")


if __name__ == "__main__":
    main()
