"""Draws the report's figures as SVG, each from one of the report's tables.

python -m workflow_scripts.report_figures --tables tables/arms.csv ... --figures figures/arms.svg ...
"""

import argparse
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", required=True, type=Path, help="the report's tables (CSV)")
    parser.add_argument("--figures", nargs="+", required=True, type=Path, help="figures to draw, by name")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads the tables and writes each figure."""
    arguments = parse_arguments(argv)
    with job("report_figures"):
        from workflow_scripts.core.figures import FIGURES
        from workflow_scripts.core.report_columns import read_tables

        for path in arguments.figures:
            if path.stem not in FIGURES:
                remedy = f"the figures are {', '.join(FIGURES)}"
                raise InputError(field="--figures", value=path.stem, remedy=remedy)
        tables = read_tables(arguments.tables)
        with guarded(*arguments.figures) as temporary:
            for path, target in zip(arguments.figures, temporary, strict=True):
                target.write_text(FIGURES[path.stem].svg(path.stem, tables), encoding="utf-8")


if __name__ == "__main__":
    main()
