"""Measures the lift of a candidate over its baseline on the development items, with one-sided bounds.

python -m workflow_scripts.dev_lift --settings '{"confidence": 0.95}' --baseline base/scores.parquet
    --candidate sft/scores.parquet --report results/models/sft/dev_lift.json
"""

import argparse
from pathlib import Path

from workflow_scripts.core.evaluation.lifts import lift_report
from workflow_scripts.core.evaluation.scored_arms import read_scored_arms
from workflow_scripts.core.evaluation.settings import analysis_of, read_settings
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", default="{}", help='JSON: {"confidence": 0.95}')
    parser.add_argument("--baseline", required=True, help="scores of the baseline")
    parser.add_argument("--candidate", required=True, help="scores of the candidate, on the identical items")
    parser.add_argument("--report", required=True, help="metrics to write (JSON)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads both arms and writes the lift."""
    arguments = parse_arguments(argv)
    with job(f"dev_lift {Path(arguments.report).stem}"):
        confidence = analysis_of(read_settings(arguments.settings)).confidence
        baseline, candidate = read_scored_arms([arguments.baseline, arguments.candidate]).values()
        with guarded(arguments.report) as (temporary,):
            report = lift_report(baseline, candidate, confidence)
            write_json(temporary, report)
        lift = report["metrics"]["lift"]
        say(
            f"{baseline.name} -> {candidate.name}: {lift['value']:+.4f}, one-sided bounds at {confidence:g}:"
            f" {lift['low']:+.4f} and {lift['high']:+.4f}, n = {lift['n']}"
        )


if __name__ == "__main__":
    main()
