"""Audit the test, dev and calibration items: duplicates, overlaps, checks that err, room in the families.

    python -m workflow_scripts.test_set_audit --tasks config/tasks/microworld.yaml --test test.parquet \\
        --dev dev.parquet --calibration calibration.parquet --audit audit.json
"""

import argparse

from workflow_scripts.core import schemas
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job
from workflow_scripts.core.task_audit import audit
from workflow_scripts.core.task_splits import SPLITS
from workflow_scripts.core.tasks import load_tasks


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", required=True, help="the task families, or a file of own items")
    for split in SPLITS:
        parser.add_argument(f"--{split}", required=True, help=f"{split} items")
    parser.add_argument("--audit", required=True, help="metrics file to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the audit."""
    arguments = parse_arguments(argv)
    with job("test_set_audit"), guarded(arguments.audit) as (output,):
        items = {split: schemas.read_records(getattr(arguments, split), schemas.ITEMS) for split in SPLITS}
        write_json(output, {"stage": "test_set", **audit(load_tasks(arguments.tasks), items)})


if __name__ == "__main__":
    main()
