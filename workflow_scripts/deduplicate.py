"""Make the training set: accepted records of all shards, without duplicates, without anything held out.

    python -m workflow_scripts.deduplicate --records generation/shard-000.parquet ... \\
        --template completion.j2 --test test.parquet --dev dev.parquet --calibration calibration.parquet \\
        --exemplars exemplars.yaml --train sft_data/train.parquet --overlap sft_data/overlap.json

The overlap report is counted on the training file as written.
"""

import argparse
import json

from workflow_scripts.core import hashing, prompts, schemas
from workflow_scripts.core.code_digest import code_digest
from workflow_scripts.core.completions import completion_of
from workflow_scripts.core.deduplication import exact, overlap
from workflow_scripts.core.exemplars import load_exemplars
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.records import read_shards
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", nargs="+", required=True, help="record files of all shards")
    parser.add_argument("--template", required=True, help="the completion prompt")
    for split in ("test", "dev", "calibration"):
        parser.add_argument(f"--{split}", required=True, help=f"{split} items")
    parser.add_argument("--exemplars", required=True, help="exemplars shown in prompts")
    parser.add_argument("--train", required=True, help="training examples to write")
    parser.add_argument("--overlap", required=True, help="overlap report to write")
    return parser.parse_args(argv)


def example(record: dict, template, derivation: dict) -> dict:
    """One row of the SFT_EXAMPLES schema; the answer's seed, and a hash of the prompt's text."""
    prompt = prompts.render(template, instruction=record["instruction"])
    completion = completion_of(record["response"])
    source = {**json.loads(record["provenance"]), "derived": derivation}
    return {
        "record_id": hashing.record_id(source=record["record_id"], prompt=prompt, completion=completion),
        "seed": record["seed"],
        "prompt_sha256": hashing.sha256_text(prompt),
        "provenance": hashing.canonical_json(source),
        "source_record_id": record["record_id"],
        "instruction": record["instruction"],
        "prompt": prompt,
        "completion": completion,
        "verdict_margin": record["verdict_margin"],
    }


def metrics_of(report: dict, removed: dict[str, list[str]], accepted: int, distinct: int) -> dict:
    """Metrics of the overlap report; `overlap_*` and `duplicates` are counted on the written examples."""
    n = report["examples"]
    metrics = {
        "examples": {"value": float(n)},
        "accepted_records": {"value": float(accepted)},
        "removed_duplicates": {"value": float(accepted - distinct), "n": accepted},
        "duplicates": {"value": float(report["duplicates"]), "n": n},
    }
    for name, count in report["overlap"].items():
        metrics[f"overlap_{name}"] = {"value": float(count), "n": n}
        metrics[f"removed_{name}"] = {"value": float(len(removed[name])), "n": distinct}
    return metrics


def main(argv=None) -> None:
    """Write the training examples, read them back, and write what they share with held-out data (nothing)."""
    arguments = parse_arguments(argv)
    with job("deduplicate"), guarded(arguments.train, arguments.overlap) as (train, overlap_file):
        records = read_shards(arguments.records)
        accepted = [row for row in records if row["accepted"]]
        references = {
            split: [
                row["instruction"] for row in schemas.read_records(getattr(arguments, split), schemas.ITEMS)
            ]
            for split in ("test", "dev", "calibration")
        }
        exemplars = load_exemplars(arguments.exemplars)
        references["exemplars"] = [exemplar["instruction"] for exemplar in exemplars]

        first = exact.first_positions(row["instruction"] for row in accepted)
        kept, removed = overlap.remove_overlap([accepted[position] for position in first], references)
        template = prompts.load_template(arguments.template)
        derivation = {
            "code_digest": code_digest(__file__),
            "templates": {"completion": template.sha256},
        }
        schemas.write_records(
            train, [example(row, template, derivation) for row in kept], schemas.SFT_EXAMPLES
        )

        written = schemas.read_records(train, schemas.SFT_EXAMPLES)
        report = overlap.overlap_report([row["instruction"] for row in written], references)
        content = {
            "stage": "deduplicate",
            "metrics": metrics_of(report, removed, len(accepted), len(first)),
            "methods": [overlap.METHOD],
            "removed": {name: sorted(digests) for name, digests in removed.items()},
            "shared": report["shared"],
            "references": report["references"],
            "instructions_sha256": report["instructions_sha256"],
            "train_sha256": hashing.sha256_file(train),
        }
        write_json(overlap_file, content)
        counts = f"{len(accepted)} accepted, {len(first)} distinct, {len(kept)} kept"
        say(f"deduplicate: {len(records)} records, {counts}")


if __name__ == "__main__":
    main()
