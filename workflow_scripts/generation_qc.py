"""Quality of generated records, recomputed over all given shards: metrics, funnel, histograms, examples.

    python -m workflow_scripts.generation_qc --records generation/shard-000.parquet ... \\
        --train sft_data/train.parquet --report sft_data/qc.json
"""

import argparse

from workflow_scripts.core import quality, schemas
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.records import read_shards
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--records", nargs="+", required=True, help="record files of the pilot or of all shards"
    )
    parser.add_argument("--train", help="the training set made of them")
    parser.add_argument("--report", required=True, help="metrics file to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the quality report."""
    arguments = parse_arguments(argv)
    with job("generation_qc"), guarded(arguments.report) as (report,):
        records = read_shards(arguments.records)
        train = schemas.read_records(arguments.train, schemas.SFT_EXAMPLES) if arguments.train else None
        content = quality.quality_report(records, train)
        write_json(report, {"stage": "generation_qc", **content})
        say("generation_qc: " + ", ".join(f"{step['count']} {step['step']}" for step in content["funnel"]))


if __name__ == "__main__":
    main()
