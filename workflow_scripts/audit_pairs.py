"""What tells chosen from rejected in a pair set besides being better, and whether its candidates bear it out.

    python -m workflow_scripts.audit_pairs --pairs preferences/best-of-4/pairs.parquet \\
        --candidates preferences/candidates/shard-000.parquet ... --audit preferences/best-of-4/audit.json
"""

import argparse
from pathlib import Path

from workflow_scripts.core import pair_audit, schemas
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", required=True, help="the pair set")
    parser.add_argument("--candidates", nargs="+", required=True, help="candidate files of all shards")
    parser.add_argument("--audit", required=True, help="metrics file to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the audit."""
    arguments = parse_arguments(argv)
    with job(f"audit_pairs {Path(arguments.audit).parent.name}"), guarded(arguments.audit) as (output,):
        pairs = schemas.read_records(arguments.pairs, schemas.PAIRS)
        pool = [
            row for path in arguments.candidates for row in schemas.read_records(path, schemas.CANDIDATES)
        ]
        audit = pair_audit.audit(pairs, pool)
        write_json(output, {"stage": "audit_pairs", **audit})
        length, words = (audit["metrics"][f"{name}_accuracy"]["value"] or 0.5 for name in ("length", "words"))
        say(f"audit_pairs: {len(pairs)} pairs; length alone gets {length:.0%} right, words alone {words:.0%}")


if __name__ == "__main__":
    main()
