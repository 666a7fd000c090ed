"""Makes the summary page: one self-contained HTML file that opens with the answer and shows what it rests on.

python -m workflow_scripts.summary_page
    --settings '{"config": {...}, "makers": {file: rule}, "code": {rule: digest}, "modules": {...}, ...}'
    --comparisons comparisons.json --gates gates/contamination.json ... gates/claim.json
    --tables tables/*.csv --figures figures/*.svg
    --plan budget/plan.json --frontier budget/frontier.svg --ledger budget/ledger.json
    --templates reports/templates/summary.html.j2 ... --captions reports/captions/*.rst
    --configuration results/config.yaml --page reports/summary.html

Beside the page it writes the whole configuration as a file for Snakemake's --configfile, which the page's
commands name.
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
    parser.add_argument(
        "--settings", required=True, help="JSON: the configuration, and which rule with which code made what"
    )
    for name, what in (
        ("comparisons", "comparisons of the run"),
        ("plan", "what the run was to cost"),
        ("frontier", "the plan's figure (SVG)"),
        ("ledger", "what it used"),
    ):
        parser.add_argument(f"--{name}", required=True, type=Path, help=what)
    for name, what in (
        ("gates", "gate files in the order of the run"),
        ("tables", "the report's tables (CSV)"),
        ("figures", "the report's figures (SVG)"),
        ("templates", "the page's templates; the page itself is summary.html.j2"),
        ("captions", "captions of the figures, by name"),
    ):
        parser.add_argument(f"--{name}", required=True, nargs="+", type=Path, help=what)
    parser.add_argument("--configuration", required=True, type=Path, help="configuration to write (YAML)")
    parser.add_argument("--page", required=True, type=Path, help="page to write (HTML)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads tables, figures, gates, costs and templates, and writes the page and the configuration."""
    arguments = parse_arguments(argv)
    with job("summary_page"):
        from workflow_scripts.core import report_costs, report_page
        from workflow_scripts.core.report_columns import read_tables

        settings = json.loads(arguments.settings)
        results = arguments.comparisons.parent.parent
        content = report_page.page_content(
            tables=read_tables(arguments.tables),
            figures={path.stem: report_page.read_figure(path) for path in arguments.figures},
            captions=report_page.read_captions(arguments.captions),
            document=read_json(arguments.comparisons),
            gates={path.stem: read_json(path) for path in arguments.gates},
            workflow=settings,
            results_link=Path(os.path.relpath(results, arguments.page.parent)).as_posix(),
        )
        plan, ledger = read_json(arguments.plan), read_json(arguments.ledger)
        content |= report_costs.costs_content(plan, ledger, report_page.read_figure(arguments.frontier))
        templates = next(path.parent for path in arguments.templates if path.name == report_page.PAGE)
        text = report_page.render(templates, content)
        with guarded(arguments.page, arguments.configuration) as (page, configuration):
            page.write_text(text, encoding="utf-8")
            configuration.write_text(content["config_text"], encoding="utf-8")


if __name__ == "__main__":
    main()
