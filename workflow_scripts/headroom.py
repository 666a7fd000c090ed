"""Measures what the base model already solves on the development items, before anything is trained.

python -m workflow_scripts.headroom --settings '{"confidence": 0.95}' --base base/scores.parquet
    --base-raw base_raw/scores.parquet --report results/headroom/headroom.json
"""

import argparse

from workflow_scripts.core.evaluation.lifts import headroom_report
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
    parser.add_argument("--base", required=True, help="scores of the base in the format of the evaluation")
    parser.add_argument("--base-raw", required=True, help="scores of the base given the bare instruction")
    parser.add_argument("--report", required=True, help="metrics to write (JSON)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads both arms and writes their success rates."""
    arguments = parse_arguments(argv)
    with job("headroom"):
        confidence = analysis_of(read_settings(arguments.settings)).confidence
        base, base_raw = read_scored_arms([arguments.base, arguments.base_raw]).values()
        with guarded(arguments.report) as (temporary,):
            report = headroom_report(base, base_raw, confidence)
            write_json(temporary, report)
        for name in ("base_success", "base_raw_success"):
            found = report["metrics"][name]
            say(f"{name} = {found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}], n = {found['n']}")


if __name__ == "__main__":
    main()
