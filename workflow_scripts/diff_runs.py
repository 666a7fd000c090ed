"""Says what differs between two runs, or two sessions: configuration, code, environment, data and outcome.

python -m workflow_scripts.diff_runs results results-seed-2 --json difference.json

Where both are folders of results and an arm answered the same items in both, its outcomes are compared by the
paired test of `compare`, with A as the baseline.
"""

import argparse
import sys

from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for side in ("a", "b"):
        parser.add_argument(side, help="a folder of results, or a session's file")
    parser.add_argument("--json", help="file to write everything to")
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 where something differs")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Prints the difference, and writes it where that is asked for."""
    arguments = parse_arguments(argv)
    with job("diff"):
        from workflow_scripts.core import run_diff, run_diff_outcome, run_diff_text

        a, b = run_diff.read_side(arguments.a), run_diff.read_side(arguments.b)
        found = run_diff.difference(a, b)
        outcome = run_diff_outcome.outcome_difference(a, b)
        same = run_diff_outcome.is_same(outcome) and not run_diff.has_difference(found)
        document = {"a": a.label, "b": b.label, "same": same, **found, "outcome": outcome}
        for line in run_diff_text.lines(document):
            print(line)
        if arguments.json:
            with guarded(arguments.json) as (temporary,):
                write_json(temporary, document)
    sys.exit(0 if same or not arguments.exit_code else 1)


if __name__ == "__main__":
    main()
