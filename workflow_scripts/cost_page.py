"""Writes the page of what a run was to cost and what it did.

    python -m workflow_scripts.cost_page --settings '{"makers": {file: rule}, "code": {rule: digest}, ...}' \\
        --plan results/budget/plan.json \\
        --figure results/budget/frontier.svg --projections results/budget/projection-pilot.json \\
        --ledger results/budget/ledger.json --variants results/statistics/variants.json \\
        --templates reports/templates/style.css.j2 reports/templates/costs/page.html.jinja ... \\
        --page reports/costs.html
"""

import argparse
import json
import os
from pathlib import Path

from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help="JSON: which rule with which code made what")
    parser.add_argument("--plan", required=True, type=Path, help="the plan")
    parser.add_argument("--figure", required=True, type=Path, help="its figure (SVG)")
    parser.add_argument("--projections", required=True, nargs="+", type=Path, help="later ones, oldest first")
    parser.add_argument("--ledger", required=True, type=Path, help="the ledger")
    parser.add_argument("--variants", required=True, type=Path, help="the overview of all DPO variants")
    parser.add_argument("--templates", required=True, nargs="+", type=Path, help="style.css.j2 and others")
    parser.add_argument("--page", required=True, type=Path, help="page to write (HTML)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads plan, projections and ledger, and writes the page."""
    arguments = parse_arguments(argv)
    with job("cost_page"):
        from workflow_scripts.core import report_page
        from workflow_scripts.core.budget import cost_page

        results = arguments.plan.parent.parent
        named = (arguments.plan, arguments.ledger, arguments.variants)
        plan, ledger, variants = map(read_json, named)
        projections = {
            path.relative_to(results).as_posix(): read_json(path) for path in arguments.projections
        }
        content = cost_page.page_content(plan, projections, ledger, variants, arguments.figure)
        content["results_link"] = Path(os.path.relpath(results, arguments.page.parent)).as_posix()
        content["workflow"] = json.loads(arguments.settings)
        templates = next(path.parent for path in arguments.templates if path.name == "style.css.j2")
        with guarded(arguments.page) as (temporary,):
            text = report_page.render(templates, content, cost_page.PAGE)
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
