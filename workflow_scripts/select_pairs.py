"""Cut one pair set from the pool of candidates: for each instruction the best answer against the worst.

    python -m workflow_scripts.select_pairs --settings '{"pair_set": {"candidates": 4, "min_margin": 0.5}}' \\
        --candidates preferences/candidates/shard-000.parquet ... --pairs preferences/best-of-4/pairs.parquet
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core import preferences, schemas
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--settings", required=True, type=json.loads, help='{"pair_set": {candidates, min_margin}}'
    )
    parser.add_argument(
        "--candidates", nargs="+", required=True, help="candidate files of all shards, in order"
    )
    parser.add_argument("--pairs", required=True, help="pairs to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the pairs."""
    arguments = parse_arguments(argv)
    wanted = arguments.settings["pair_set"]
    with job(f"select_pairs {Path(arguments.pairs).parent.name}"), guarded(arguments.pairs) as (output,):
        pool = [
            row for path in arguments.candidates for row in schemas.read_records(path, schemas.CANDIDATES)
        ]
        pairs = preferences.select_pairs(pool, wanted["candidates"], wanted["min_margin"])
        schemas.write_records(output, pairs, schemas.PAIRS)
        instructions = len({row["instruction_id"] for row in pool})
        say(f"select_pairs: {len(pairs)} pairs from {instructions} instructions, {len(pool)} candidates")


if __name__ == "__main__":
    main()
