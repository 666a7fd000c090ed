"""Adds up what the jobs of a run have used, also while it goes on: seconds, memory, tokens, dollars.

    python -m workflow_scripts.cost_ledger --usage results/usage --sessions results/sessions \\
        --projections results/budget/plan.json results/budget/projection-pilot.json \\
        --automation results/budget/automation.json --ledger results/budget/ledger.json

It prints the ledger. Projections are named in the order in which they were made; those that do not exist yet
are left out, and so is --automation. Without --usage it is the directory in CAI_USAGE, without --sessions the
one beside it, without --ledger nothing is written. With --compare it prints what each projection expected of
each stage beside what the stage took.
"""

import argparse
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say
from workflow_scripts.core.usage import read_account

NAMES = {"plan": "plan", "projection-pilot": "pilot", "projection-sft": "sft"}


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--usage", help="directory of usage files")
    parser.add_argument("--sessions", help="directory of session files")
    parser.add_argument("--projections", nargs="*", default=[], help="plan and projections, oldest first")
    parser.add_argument("--automation", help="how much of the run needed a person (JSON)")
    parser.add_argument("--ledger", help="ledger to write (JSON)")
    parser.add_argument("--compare", action="store_true", help="print projected against actual by stage")
    return parser.parse_args(argv)


def usage_directory(arguments: argparse.Namespace) -> str:
    """Where the usage files are. InputError when nothing says so."""
    account = read_account()
    if arguments.usage is None and account is None:
        raise InputError(field="--usage", remedy="name the directory of the usage files")
    return arguments.usage or account.directory


def main(argv=None) -> None:
    """Reads usage, sessions and projections; writes and prints the ledger."""
    arguments = parse_arguments(argv)
    with job("cost_ledger"):
        from workflow_scripts.core.budget import ledger
        from workflow_scripts.core.usage_files import read_attempts

        projections = {
            NAMES.get(Path(path).stem, Path(path).stem): read_json(path)
            for path in arguments.projections
            if Path(path).is_file()
        }
        usage = Path(usage_directory(arguments))
        sessions = Path(arguments.sessions or usage.parent / "sessions").glob("*.json")
        automation = Path(arguments.automation or "")
        made = ledger.make_ledger(
            read_attempts(usage),
            {path.stem: read_json(path) for path in sorted(sessions)},
            projections,
            read_json(automation) if automation.is_file() else None,
        )
        if arguments.ledger:
            with guarded(arguments.ledger) as (temporary,):
                write_json(temporary, made)
        for line in ledger.comparison_lines(made) if arguments.compare else ledger.ledger_lines(made):
            say(line)


if __name__ == "__main__":
    main()
