"""Writes the page of what a run was to cost and what it did.

    python -m workflow_scripts.cost_page --plan results/budget/plan.json \\
        --figure results/budget/frontier.svg --projections results/budget/projection-pilot.json \\
        --ledger results/budget/ledger.json --variants results/statistics/variants.json \\
        --templates reports/templates/costs/page.html.jinja reports/templates/style.css.j2 \\
        --page reports/costs.html
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plan", required=True, type=Path, help="the plan")
    parser.add_argument("--figure", required=True, type=Path, help="its figure (SVG)")
    parser.add_argument("--projections", nargs="*", default=[], type=Path, help="later ones, oldest first")
    parser.add_argument("--ledger", required=True, type=Path, help="the ledger")
    parser.add_argument("--variants", required=True, type=Path, help="the overview of all DPO variants")
    parser.add_argument("--templates", required=True, nargs=2, type=Path, help="the page's and the style")
    parser.add_argument("--page", required=True, help="page to write (HTML)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads plan, projections and ledger, and writes the page."""
    arguments = parse_arguments(argv)
    with job("cost_page"):
        from workflow_scripts.core.budget import cost_page

        read = [arguments.plan, arguments.ledger, arguments.variants, *arguments.projections]
        plan, ledger, variants, *projections = (json.loads(path.read_text(encoding="utf-8")) for path in read)
        content = cost_page.page_content(plan, projections, ledger, variants, arguments.figure)
        with guarded(arguments.page) as (temporary,):
            style = arguments.templates[1]
            temporary.write_text(cost_page.render(style.parent, content), encoding="utf-8")


if __name__ == "__main__":
    main()
