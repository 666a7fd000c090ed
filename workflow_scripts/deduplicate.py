"""Make the training set: accepted records of all shards, without duplicates, without anything held out.

    python -m workflow_scripts.deduplicate --settings '{"deduplication": {"near": {"characters": 5,
        "permutations": 252, "threshold": 0.8}, "coverage": {"words": 8, "threshold": 0.8},
        "skeletons": {"heldout": "remove", "at_most_per_skeleton": null}}}' \\
        --records generation/shard-000.parquet ... --template completion.j2 --test test.parquet \\
        --dev dev.parquet --calibration calibration.parquet --exemplars exemplars.yaml \\
        --sentinels sentinels.yaml --train sft_data/train.parquet --overlap sft_data/overlap.json

The overlap report is measured on the training file as written.
"""

import argparse
import json

from workflow_scripts.core import hashing, prompts, schemas
from workflow_scripts.core.code_digest import code_digest
from workflow_scripts.core.completions import completion_of
from workflow_scripts.core.deduplication import held_out, report, selection
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.records import read_shards
from workflow_scripts.core.runtime import job, say

SPLITS = ("test", "dev", "calibration")


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"deduplication"}')
    parser.add_argument("--records", nargs="+", required=True, help="record files of all shards")
    parser.add_argument("--template", required=True, help="the completion prompt")
    for split in SPLITS:
        parser.add_argument(f"--{split}", required=True, help=f"{split} items")
    parser.add_argument("--exemplars", required=True, help="exemplars shown in prompts")
    parser.add_argument("--sentinels", required=True, help="prompts that watch the base's behaviour")
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


def read_held_out(arguments: argparse.Namespace) -> list[held_out.HeldOutSet]:
    """Every set that the training data is compared with."""
    splits = [held_out.read_items(split, getattr(arguments, split)) for split in SPLITS]
    return [
        *splits,
        held_out.read_exemplars(arguments.exemplars),
        held_out.read_sentinels(arguments.sentinels),
    ]


def main(argv=None) -> None:
    """Write the training examples, read them back, and write what they share with held-out data (nothing)."""
    arguments = parse_arguments(argv)
    with job("deduplicate"), guarded(arguments.train, arguments.overlap) as (train, overlap):
        settings = json.loads(arguments.settings)["deduplication"]
        sets = read_held_out(arguments)
        accepted = [record for record in read_shards(arguments.records) if record["accepted"]]
        kept, removals = selection.select(accepted, sets, settings)

        template = prompts.load_template(arguments.template)
        derivation = {
            "code_digest": code_digest(__file__),
            "templates": {"completion": template.sha256},
        }
        rows = [example(accepted[position], template, derivation) for position in kept]
        schemas.write_records(train, rows, schemas.SFT_EXAMPLES)

        written = [
            {"instruction": row["instruction"], "response": row["completion"]}
            for row in schemas.read_records(train, schemas.SFT_EXAMPLES)
        ]
        content = report.overlap_report(accepted, removals, written, sets, settings)
        digest = hashing.sha256_file(train)
        write_json(overlap, {"stage": "deduplicate", **content, "train_sha256": digest})
        say(f"deduplicate: {len(accepted)} accepted, {len(kept)} kept")


if __name__ == "__main__":
    main()
