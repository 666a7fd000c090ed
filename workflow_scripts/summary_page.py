"""Makes the summary page: one self-contained HTML file that opens with the answer and shows what it rests on.

python -m workflow_scripts.summary_page --settings '{"config": {...}, "code": {rule: digest}}'
    --comparisons comparisons.json --gates gates/contamination.json ... gates/claim.json
    --tables tables/*.csv --figures figures/*.svg --templates reports/templates/summary.html.j2 ...
    --captions reports/captions/*.rst --page reports/summary.html
"""

import argparse
import json
import os
from pathlib import Path

from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--settings", required=True, help="JSON: the configuration, and each rule's code digest"
    )
    parser.add_argument("--comparisons", required=True, type=Path, help="comparisons of the run")
    for name, what in (
        ("gates", "gate files in the order of the run"),
        ("tables", "the report's tables (CSV)"),
        ("figures", "the report's figures (SVG)"),
        ("templates", "the page's templates; the page itself is summary.html.j2"),
        ("captions", "captions of the figures, by name"),
    ):
        parser.add_argument(f"--{name}", required=True, nargs="+", type=Path, help=what)
    parser.add_argument("--page", required=True, type=Path, help="page to write (HTML)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads tables, figures, gates and templates, and writes the page."""
    arguments = parse_arguments(argv)
    with job("summary_page"):
        from workflow_scripts.core import report_page
        from workflow_scripts.core.report_columns import read_tables

        settings = json.loads(arguments.settings)
        results = arguments.comparisons.parent.parent
        content = report_page.page_content(
            tables=read_tables(arguments.tables),
            figures={path.stem: report_page.read_figure(path) for path in arguments.figures},
            captions=report_page.read_captions(arguments.captions),
            document=json.loads(arguments.comparisons.read_text(encoding="utf-8")),
            gates={path.stem: json.loads(path.read_text(encoding="utf-8")) for path in arguments.gates},
            config=settings["config"],
            code=settings["code"],
            dropped=settings.get("dropped", ()),
            results_link=Path(os.path.relpath(results, arguments.page.parent)).as_posix(),
        )
        templates = next(path.parent for path in arguments.templates if path.name == report_page.PAGE)
        with guarded(arguments.page) as (temporary,):
            temporary.write_text(report_page.render(templates, content), encoding="utf-8")


if __name__ == "__main__":
    main()
