"""Apply people's edits to the generated records of all shards, before anything is made of them.

    python -m workflow_scripts.apply_edits --records generation/shard-000.parquet ... \\
        --edits edits.jsonl --edited edits/records.parquet --report edits/edits.json

A line of the edits is {"record_id": ..., "action": "replace_response", "replacement": ..., "minutes": 2}.
"""

import argparse

from workflow_scripts.core import edits, schemas
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.records import read_shards
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", nargs="+", required=True, help="record files of all shards")
    parser.add_argument("--edits", required=True, help="edits (JSONL)")
    parser.add_argument("--edited", required=True, help="all records after the edits, to write")
    parser.add_argument("--report", required=True, help="metrics file to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write all records, edited ones marked, and what was edited."""
    arguments = parse_arguments(argv)
    with job("apply_edits"), guarded(arguments.edited, arguments.report) as (edited, report):
        made = edits.read_edits(arguments.edits)
        records = read_shards(arguments.records)
        after = edits.apply(records, made, arguments.edits)
        schemas.write_records(edited, after, schemas.RECORDS)
        content = edits.report(records, after, made)
        write_json(report, content)
        touched = content["metrics"]["edited_records"]
        say(f"apply_edits: {touched['value']:.0f} of {touched['n']} records edited by hand")


if __name__ == "__main__":
    main()
