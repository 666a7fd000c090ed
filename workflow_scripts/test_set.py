"""Draw the test, dev and calibration items: held-out instructions with a programmatic check each.

    python -m workflow_scripts.test_set --settings '{"test_set": {"seed": 20, "sizes": {...}}}' \\
        --tasks config/tasks/microworld.yaml --test test.parquet --dev dev.parquet \\
        --calibration calibration.parquet
"""

import argparse
import json

from workflow_scripts.core import schemas
from workflow_scripts.core.code_digest import code_digest
from workflow_scripts.core.hashing import sha256_file
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.provenance import provenance
from workflow_scripts.core.runtime import job, say
from workflow_scripts.core.task_splits import SPLITS, draw_splits
from workflow_scripts.core.tasks import load_tasks


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="JSON with test_set: seed, sizes")
    parser.add_argument("--tasks", required=True, help="the task families, or a file of own items")
    for split in SPLITS:
        parser.add_argument(f"--{split}", required=True, help=f"{split} items to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the three splits."""
    arguments = parse_arguments(argv)
    settings = arguments.settings["test_set"]
    targets = [getattr(arguments, split) for split in SPLITS]
    with job("test_set"), guarded(*targets) as outputs:
        tasks = load_tasks(arguments.tasks)
        items = draw_splits(tasks, settings["sizes"], settings["seed"])
        origin = provenance(
            model={},
            engine={},
            sampling={},
            templates={},
            code=code_digest(__file__),
            tasks={"name": tasks.name, "sha256": sha256_file(arguments.tasks)},
        )
        for split, output in zip(SPLITS, outputs, strict=True):
            rows = [{**item, "provenance": origin} for item in items if item["split"] == split]
            schemas.write_records(output, rows, schemas.ITEMS)
            say(f"test_set: {len(rows)} {split} items of {len({row['type'] for row in rows})} types")


if __name__ == "__main__":
    main()
