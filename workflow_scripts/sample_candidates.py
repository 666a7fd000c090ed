"""Sample several answers to each training instruction from the SFT model, and let the base judge them.

    python -m workflow_scripts.sample_candidates --settings '{"engine": ..., "seed": 1, "preferences":
        {"candidates": 4, "sampling": {"temperature": 1.0, "max_new_tokens": 32, "stop": [...]}}}' \\
        --model models/sft-merged --critic-model base/model.json --examples sft_data/train.parquet \\
        --manifest models/sft-merged.json --template completion.j2 --critic-template critic.j2 \\
        --constitution constitution.yaml --calibration-report critic/calibration.json --shard 0 --shards 2 \\
        --candidates preferences/candidates/shard-000.parquet

Only one of the two models is in memory at a time.
"""

import argparse
import json

from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job, say

SAMPLED = "sampled"  # the stage of a shard between the two models
FILES = (
    "manifest critic_model examples template critic_template constitution calibration_report guard"
).split()


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"engine", "seed", "preferences"}')
    parser.add_argument("--model", required=True, help="the model to sample from")
    parser.add_argument("--manifest", required=True, help="the digests of its files, which stand for it")
    parser.add_argument("--critic-model", required=True, help="the model that judges")
    parser.add_argument("--examples", required=True, help="training examples, one for each instruction")
    parser.add_argument("--template", required=True, help="the completion prompt")
    parser.add_argument("--critic-template", required=True, help="the critic's prompt")
    parser.add_argument("--constitution", required=True, help="the critic's principles")
    parser.add_argument("--calibration-report", required=True, help="the critic's prior")
    parser.add_argument("--guard", help="report of the contamination guard, for the records' provenance")
    parser.add_argument("--shard", required=True, type=int, help="number of the shard")
    parser.add_argument("--shards", required=True, type=int, help="shards in all")
    parser.add_argument("--shards-per-load", type=int, default=1, help="shards made with models loaded once")
    parser.add_argument("--candidates", required=True, help="candidates to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the candidates of one shard of the instructions, in order of instruction and number; and those of
    others of its block, if the models are loaded."""
    arguments = parse_arguments(argv)
    with job(f"sample_candidates {arguments.shard:03d}", uses_gpu=True):
        from workflow_scripts.core import shard_store
        from workflow_scripts.core.code_digest import code_digest

        store = shard_store.ShardStore(
            arguments.candidates,
            arguments.shard,
            arguments.shards,
            arguments.shards_per_load,
            shard_store.fingerprint(
                settings=arguments.settings,
                code=code_digest(__file__),
                files=[getattr(arguments, file) for file in FILES],
                shards=arguments.shards,
            ),
        )
        with guarded(arguments.candidates) as (output,):
            make_shards(arguments, store)
            store.deliver(output)
        store.settle()


def make_shards(arguments: argparse.Namespace, store) -> None:
    """Samples what the store lacks, then judges it. Each model is loaded when it is first needed."""
    from workflow_scripts.core import (
        answers,
        candidates,
        critic_prior,
        hashing,
        prompts,
        provenance,
        schemas,
        usage,
    )
    from workflow_scripts.core.code_digest import code_digest
    from workflow_scripts.core.engines.loading import LateEngine

    settings = json.loads(arguments.settings)
    how = settings["preferences"]
    principles = load_constitution(arguments.constitution)
    _, principles = critic_prior.read_calibration(arguments.calibration_report, principles)
    templates = {
        "completion": prompts.load_template(arguments.template),
        "critic": prompts.load_template(arguments.critic_template),
    }
    examples = schemas.read_records(arguments.examples, schemas.SFT_EXAMPLES)
    sampler = LateEngine(settings["engine"], arguments.model)
    judge = LateEngine(settings["engine"], arguments.critic_model)

    def sample_shard(shard: int, path) -> None:
        part = candidates.shard_slice(len(examples), shard, arguments.shards)
        instructions = [examples[position]["instruction"] for position in part]
        engine = sampler()
        rows = candidates.sample(engine, templates["completion"], instructions, how, settings["seed"])
        source = provenance.provenance(
            model=provenance.model_identity(arguments.model),
            engine=engine.identity,
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
        unjudged = {"verdict_margin": None, "p_yes": None, "provenance": source}
        schemas.write_records(path, [{**row, **unjudged} for row in rows], schemas.CANDIDATES)

    def judge_shard(shard: int, path) -> None:
        rows = schemas.read_records(store.path(shard, SAMPLED), schemas.CANDIDATES)
        rows = candidates.judge(judge(), templates["critic"], principles, rows)
        schemas.write_records(path, rows, schemas.CANDIDATES)
        usage.made(f"sample_candidates {shard:03d}", candidates=len(rows))
        usable = sum(row["usable"] for row in rows)
        say(f"sample_candidates {shard:03d}: {usable} of {len(rows)} candidates usable")

    store.fill(sample_shard, SAMPLED)
    sampler.close()  # the memory of the first model, before the second is loaded
    store.fill(judge_shard, after=SAMPLED)


if __name__ == "__main__":
    main()
