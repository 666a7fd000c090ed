"""Sample several answers to each training instruction from the SFT model, and let the base judge them.

    python -m workflow_scripts.sample_candidates --settings '{"engine": ..., "seed": 1, "preferences":
        {"candidates": 4, "sampling": {"temperature": 1.0, "max_new_tokens": 32, "stop": [...]}}}' \\
        --model models/sft-merged --critic-model base/model.json --examples sft_data/train.parquet \\
        --template completion.j2 --critic-template critic.j2 --constitution constitution.yaml \\
        --calibration-report critic/calibration.json --shard 0 --shards 2 \\
        --candidates preferences/candidates/shard-000.parquet

Only one of the two models is in memory at a time.
"""

import argparse
import json

from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"engine", "seed", "preferences"}')
    parser.add_argument("--model", required=True, help="the model to sample from")
    parser.add_argument("--critic-model", required=True, help="the model that judges")
    parser.add_argument("--examples", required=True, help="training examples, one for each instruction")
    parser.add_argument("--template", required=True, help="the completion prompt")
    parser.add_argument("--critic-template", required=True, help="the critic's prompt")
    parser.add_argument("--constitution", required=True, help="the critic's principles")
    parser.add_argument("--calibration-report", required=True, help="the critic's prior")
    parser.add_argument("--guard", help="report of the contamination guard, for the records' provenance")
    parser.add_argument("--shard", required=True, type=int, help="number of the shard")
    parser.add_argument("--shards", required=True, type=int, help="shards in all")
    parser.add_argument("--candidates", required=True, help="candidates to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the candidates of one shard of the instructions, in order of instruction and number."""
    arguments = parse_arguments(argv)
    name = f"sample_candidates {arguments.shard:03d}"
    with job(name, uses_gpu=True), guarded(arguments.candidates) as (output,):
        from workflow_scripts.core import (
            answers,
            candidates,
            critic,
            critic_prior,
            hashing,
            prompts,
            provenance,
            schemas,
        )
        from workflow_scripts.core.code_digest import code_digest
        from workflow_scripts.core.engines.loading import load_engine

        settings = json.loads(arguments.settings)
        how = settings["preferences"]
        principles = critic.load_constitution(arguments.constitution)
        _, principles = critic_prior.read_calibration(arguments.calibration_report, principles)
        templates = {
            "completion": prompts.load_template(arguments.template),
            "critic": prompts.load_template(arguments.critic_template),
        }
        examples = schemas.read_records(arguments.examples, schemas.SFT_EXAMPLES)
        own = candidates.shard_slice(len(examples), arguments.shard, arguments.shards)
        instructions = [examples[position]["instruction"] for position in own]

        engine = load_engine(settings["engine"], arguments.model)
        rows = candidates.sample(engine, templates["completion"], instructions, how, settings["seed"])
        identity = engine.identity
        del engine  # the memory of the first model, before the second is loaded
        candidates.free_memory()

        judge = load_engine(settings["engine"], arguments.critic_model)
        rows = candidates.judge(judge, templates["critic"], principles, rows)
        source = provenance.provenance(
            model=provenance.model_identity(arguments.model),
            engine=identity,
            sampling=how["sampling"],
            templates={name: template.sha256 for name, template in templates.items()},
            code=code_digest(__file__),
            guard=answers.guard_verdict(arguments.guard),
            root_seed=settings["seed"],
            critic={
                "model": provenance.model_identity(arguments.critic_model),
                "constitution_sha256": hashing.sha256_file(arguments.constitution),
                "prior": {principle.id: principle.prior for principle in principles},
            },
        )
        schemas.write_records(output, [{**row, "provenance": source} for row in rows], schemas.CANDIDATES)
        say(f"sample_candidates: {sum(row['usable'] for row in rows)} of {len(rows)} candidates usable")


if __name__ == "__main__":
    main()
