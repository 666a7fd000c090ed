"""Projects anew what a run costs, from what its jobs have measured so far on this machine.

    CAI_USAGE='{"directory": "results/usage", "dollars_per_hour": 2.69}' \\
    python -m workflow_scripts.calibrate_budget --settings '{"budget": ..., ...}' --moment pilot \\
        --catalogue config/gpus.yaml --exemplars exemplars.yaml --constitution constitution.yaml \\
        --completion-template completion.j2 --raw-template raw.j2 --instructions-template instructions.j2 \\
        --answers-template answers.j2 --critic-template critic.j2 --pilot results/pilot/records.parquet \\
        --projection results/budget/projection-pilot.json

The settings are those of plan_budget. Rates come from the usage files that the jobs of this run left, the
pilot's first of all, and for trainings that were not yet measured from results/smoke/rates.json where a smoke
run left it; lengths and the accepted share from the pilot's records, the number of examples from --examples.
What is missing stays as the plan has it. It always succeeds; the gate after it judges.
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say
from workflow_scripts.core.usage import read_account


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    from workflow_scripts.core.budget import inputs

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    inputs.add_arguments(parser)
    parser.add_argument("--moment", required=True, help="after what it is made: pilot, sft")
    parser.add_argument("--pilot", required=True, help="the pilot's records")
    parser.add_argument("--examples", nargs="?", help="the training examples, once there are any")
    parser.add_argument("--projection", required=True, help="projection to write (JSON)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads what was measured, writes the projection, and prints it as a table."""
    arguments = parse_arguments(argv)
    with job("calibrate_budget"):
        from workflow_scripts.core import schemas
        from workflow_scripts.core.budget import smoke, tables
        from workflow_scripts.core.budget.inputs import Inputs
        from workflow_scripts.core.budget.reprojection import make_projection
        from workflow_scripts.core.usage_files import read_attempts

        account = read_account()
        if account is None:
            remedy = "this job reads what others have used: run it by Snakemake, or set it as the help shows"
            raise InputError(field="CAI_USAGE", remedy=remedy)
        folder = Path(arguments.projection).parent
        settings = {"dropped": [], **json.loads(arguments.settings)}
        examples = None
        if arguments.examples:
            examples = len(schemas.read_records(arguments.examples, schemas.SFT_EXAMPLES))
        projection = make_projection(
            Inputs(arguments, settings),
            read_attempts(account.directory),
            schemas.read_records(arguments.pilot, schemas.RECORDS),
            examples,
            smoke.read_rates(folder.parent / smoke.RATES),
        )
        with guarded(arguments.projection) as (temporary,):
            write_json(temporary, {"moment": arguments.moment, **projection})
        for line in tables.projection_lines(projection):
            say(line)


if __name__ == "__main__":
    main()
