"""Writes a sheet of answers for a person to label: which arm gave an answer, and its score, are not shown.

python -m workflow_scripts.label_sheet --settings '{"rows": 100}' --items test.parquet
    --scores base/scores.parquet sft/scores.parquet --responses base/responses.parquet
    sft/responses.parquet --sheet labels.csv

Write true or false into its column `success`, and name the file in the config as evaluation.labels.
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.label_sheets import sheet_rows, write_sheet
from workflow_scripts.core.evaluation.scored_answers import read_answers
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job, say
from workflow_scripts.core.schemas import ITEMS, read_records


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", default='{"rows": 100}', help="JSON: rows of the sheet, over all arms")
    parser.add_argument("--items", required=True, help="the items, for their instructions")
    parser.add_argument("--scores", nargs="+", required=True, help="scores, one file per arm")
    parser.add_argument("--responses", nargs="+", required=True, help="responses, in the same order of arms")
    parser.add_argument("--sheet", required=True, help="sheet to write (CSV); never an existing file")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Writes the sheet."""
    arguments = parse_arguments(argv)
    with job("label_sheet"), guarded(arguments.sheet) as (temporary,):
        if Path(arguments.sheet).exists():
            remedy = "this file exists and may hold labels: give another name, or remove it"
            raise InputError(file=arguments.sheet, remedy=remedy)
        rows = json.loads(arguments.settings)["rows"]
        if not isinstance(rows, int) or rows < len(arguments.scores):
            raise InputError(field="rows", value=rows, remedy="ask for one answer of each arm or more")
        arms = read_answers(arguments.scores, arguments.responses)
        instructions = {row["item_id"]: row["instruction"] for row in read_records(arguments.items, ITEMS)}
        missing = {item for answers in arms.values() for item in answers.item_ids} - instructions.keys()
        if missing:
            remedy = "this item was answered but is not here: give the items that were asked"
            raise InputError(file=arguments.items, field="item_id", value=min(missing), remedy=remedy)
        sheet = sheet_rows(arms, instructions, rows)
        write_sheet(temporary, sheet)
        say(f"label_sheet: {len(sheet)} answers of {len(arms)} arms")


if __name__ == "__main__":
    main()
