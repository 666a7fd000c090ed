"""Make one shard of records: the base writes instructions and answers, and judges the answers as the critic.

    python -m workflow_scripts.generate --settings '{"engine": ..., "seed": 1, "generation": {"instruction":
        {"shots": 5, "temperature": 1.0, "max_new_tokens": 40, "stop": ["\\n"]}, "answer": {...}}}' \\
        --identity base/model.json --exemplars exemplars.yaml --instructions-template instructions.j2 \\
        --answers-template answers.j2 --critic-template critic.j2 --constitution constitution.yaml \\
        --calibration-report critic/calibration.json --stream generation --shard 0 --size 250 \\
        --records generation/shard-000.parquet
"""

import argparse
import json

from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job, say

FILES = (
    "identity exemplars instructions_template answers_template critic_template constitution"
    " calibration_report guidance earlier guard"
).split()


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"engine", "seed", "generation"}')
    parser.add_argument("--identity", required=True, help="the base's identity file")
    parser.add_argument("--exemplars", required=True, help="hand-written exemplars")
    for name in ("instructions", "answers", "critic"):
        parser.add_argument(f"--{name}-template", required=True, help=f"prompt template: {name}")
    parser.add_argument("--constitution", required=True, help="the critic's principles")
    parser.add_argument("--calibration-report", required=True, help="the critic's threshold and its prior")
    parser.add_argument("--guidance", nargs="?", help="topics and verbs, where instructions are guided")
    parser.add_argument("--earlier", nargs="?", help="records whose instructions guided ones avoid")
    parser.add_argument("--guard", help="report of the contamination guard, for the records' provenance")
    parser.add_argument("--stream", required=True, choices=("pilot", "generation"), help="stream of seeds")
    parser.add_argument("--shard", required=True, type=int, help="number of the shard")
    parser.add_argument("--shards", type=int, default=1, help="shards in all, for those made ahead")
    parser.add_argument("--shards-per-load", type=int, default=1, help="shards made with one loaded model")
    parser.add_argument("--size", required=True, type=int, help="records to generate")
    parser.add_argument("--records", required=True, help="records to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write one shard of records, in order of their index; with the model loaded, others of its block too."""
    arguments = parse_arguments(argv)
    name = "pilot" if arguments.stream == "pilot" else f"generate_shard {arguments.shard:03d}"
    with job(name, uses_gpu=True):
        from workflow_scripts.core import shard_store
        from workflow_scripts.core.code_digest import code_digest

        store = shard_store.ShardStore(
            arguments.records,
            arguments.shard,
            arguments.shards,
            arguments.shards_per_load,
            shard_store.fingerprint(
                settings=arguments.settings,
                code=code_digest(__file__),
                files=[getattr(arguments, file) for file in FILES],
                stream=arguments.stream,
                size=arguments.size,
            ),
        )
        with guarded(arguments.records) as (output,):
            store.fill(shard_maker(arguments))
            store.deliver(output)
        store.settle()


def shard_maker(arguments: argparse.Namespace):
    """A function that writes one shard: make(shard, path). The model is loaded when it is first called."""
    from workflow_scripts.core import (
        answers,
        critic_prior,
        exemplars,
        generation,
        guidance,
        hashing,
        prompts,
        provenance,
        schemas,
        usage,
    )
    from workflow_scripts.core.code_digest import code_digest
    from workflow_scripts.core.engines.loading import LateEngine

    settings = json.loads(arguments.settings)
    paths = {name: getattr(arguments, f"{name}_template") for name in ("instructions", "answers", "critic")}
    templates = {name: prompts.load_template(path) for name, path in paths.items()}
    shown = exemplars.load_exemplars(arguments.exemplars)
    principles = load_constitution(arguments.constitution)
    threshold, principles = critic_prior.read_calibration(arguments.calibration_report, principles)
    how = settings["generation"]
    guided = None
    if arguments.guidance:
        earlier = schemas.read_records(arguments.earlier, schemas.RECORDS) if arguments.earlier else []
        guided = guidance.load_guidance(
            arguments.guidance,
            guidance.earlier_instructions(earlier),
            how["instruction"]["guidance"]["avoid"],
        )
    loaded = LateEngine(settings["engine"], arguments.identity)

    def make(shard: int, path) -> None:
        engine = loaded()
        stream = generation.Stream(settings["seed"], arguments.stream, shard)
        records = generation.write_instructions(
            engine, templates["instructions"], shown, how["instruction"], stream, arguments.size, guided
        )
        records = generation.write_answers(
            engine, templates["answers"], shown, how["answer"], stream, records
        )
        records = generation.judge_records(engine, templates["critic"], principles, threshold, records)
        source = provenance.provenance(
            model=provenance.model_identity(arguments.identity),
            engine=engine.identity,
            sampling=how,
            templates={name: template.sha256 for name, template in templates.items()},
            code=code_digest(__file__),
            guard=answers.guard_verdict(arguments.guard),
            root_seed=settings["seed"],
            stream=arguments.stream,
            exemplars_sha256=hashing.sha256_file(arguments.exemplars),
            guidance_sha256=[
                hashing.sha256_file(path) for path in (arguments.guidance, arguments.earlier) if path
            ],
            critic={
                "constitution_sha256": hashing.sha256_file(arguments.constitution),
                "threshold": threshold,
                "prior": {principle.id: principle.prior for principle in principles},
            },
        )
        schemas.write_records(path, generation.finished(records, stream, source), schemas.RECORDS)
        rule = "pilot" if arguments.stream == "pilot" else "generate_shard"
        usage.made(f"{rule} {shard:03d}", records=len(records))
        accepted = sum(record["accepted"] for record in records)
        say(f"{rule} {shard:03d}: {accepted} of {len(records)} records accepted")

    return make


if __name__ == "__main__":
    main()
