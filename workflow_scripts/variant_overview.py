"""Make the overview of all DPO variants: what each varies, pairs, steps, success, difference to the main one.

    python -m workflow_scripts.variant_overview \\
        --settings '{"main": "main", "variants": {"main": {...}, "beta-0.3": {...}},
            "sets": {"best-of-4": {"candidates": 4, "min_margin": 0.5}}}' \\
        --comparisons results/statistics/comparisons.json \\
        --training-reports results/models/dpo/main/training.json results/models/dpo/beta-0.3/training.json \\
        --overview results/statistics/variants.json
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core import ablations
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--settings", required=True, type=json.loads, help='JSON: {"main", "variants", "sets"}'
    )
    parser.add_argument("--comparisons", required=True, type=Path, help="comparisons of all arms (JSON)")
    parser.add_argument(
        "--training-reports",
        required=True,
        nargs="+",
        type=Path,
        help="VARIANT/training.json of each variant",
    )
    parser.add_argument("--overview", required=True, help="overview to write (JSON)")
    return parser.parse_args(argv)


def line(row: dict) -> str:
    """One variant as a line for the console."""
    varies = ", ".join(f"{entry['field']} {entry['main']} -> {entry['variant']}" for entry in row["varies"])
    text = f"{row['arm']} ({varies or 'main'}): {row['pairs']} pairs, {row['success']['value']:.1%}"
    found = row["against_main"]
    if found is None:
        return text
    difference = found["difference"]
    interval = f"[{difference['low']:+.4f}, {difference['high']:+.4f}]"
    return f"{text}, {difference['value']:+.4f} {interval} to main, adjusted p = {found['adjusted_p']:.3g}"


def main(argv=None) -> None:
    """Read the comparisons and every variant's training record, and write one JSON file."""
    arguments = parse_arguments(argv)
    with job("variant_overview"), guarded(arguments.overview) as (temporary,):
        document = read_json(arguments.comparisons)
        trainings = {path.parent.name: read_json(path) for path in arguments.training_reports}
        content = ablations.overview(arguments.settings, document, trainings)
        write_json(temporary, content)
        for row in content["variants"]:
            say(f"variant_overview: {line(row)}")


if __name__ == "__main__":
    main()
