"""Quality of generated records, recomputed over all given shards: metrics, funnel, histograms, examples.

    python -m workflow_scripts.generation_qc --settings '{"deduplication": {"near": ...}}' \\
        --records generation/shard-000.parquet ... --detector-examples resources/detectors/labelled.jsonl \\
        --train sft_data/train.parquet --report sft_data/qc.json

The detectors behind the rates are measured in the same run, on the labelled examples.
"""

import argparse
import json

from workflow_scripts.core import detector_quality, quality, schemas
from workflow_scripts.core.deduplication.near import NearParameters
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.records import read_shards
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", default="{}", help='JSON: {"deduplication": {"near"}}; the usual ones')
    parser.add_argument(
        "--records", nargs="+", required=True, help="record files of the pilot or of all shards"
    )
    parser.add_argument("--detector-examples", required=True, help="labelled responses (JSONL)")
    parser.add_argument("--train", help="the training set made of them")
    parser.add_argument("--report", required=True, help="metrics file to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the quality report."""
    arguments = parse_arguments(argv)
    with job("generation_qc" if arguments.train else "pilot_qc"), guarded(arguments.report) as (report,):
        records = read_shards(arguments.records)
        train = schemas.read_records(arguments.train, schemas.SFT_EXAMPLES) if arguments.train else None
        judged = detector_quality.detector_report(detector_quality.read_examples(arguments.detector_examples))
        near = json.loads(arguments.settings).get("deduplication", {}).get("near", {})
        content = quality.quality_report(records, train, NearParameters(**near))
        metrics = {**content["metrics"], **judged["metrics"]}
        write_json(report, {"stage": "generation_qc", **content, **judged, "metrics": metrics})
        precision, recall = (metrics[f"worst_detector_{name}"]["value"] for name in ("precision", "recall"))
        say(f"generation_qc: the worst detector has a precision of {precision:.0%}, a recall of {recall:.0%}")
        say("generation_qc: " + ", ".join(f"{step['count']} {step['step']}" for step in content["funnel"]))


if __name__ == "__main__":
    main()
