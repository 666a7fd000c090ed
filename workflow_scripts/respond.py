"""Answer every item greedily with one model: the responses of one arm.

    python -m workflow_scripts.respond --settings '{"engine": ..., "evaluation": {"max_new_tokens": 32,
        "stop": ["\\nQuestion:"]}}' --arm sft --model models/sft-merged --items test.parquet \\
        --template completion.j2 --responses evaluation/sft/responses.parquet

With `"repeated_items": 200` in the settings a sample of so many items is answered: an arm asked again. With
--dry-run the model is loaded and every prompt built and looked at, and what would be sent is counted (JSON).
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"engine", "evaluation", "repeated_items"}')
    parser.add_argument("--arm", required=True, help="name of the arm")
    parser.add_argument("--model", required=True, help="base/model.json or a model directory")
    parser.add_argument("--items", required=True, help="items to answer")
    parser.add_argument("--template", required=True, help="the arm's prompt template")
    parser.add_argument("--guard", help="report of the contamination guard, for the records' provenance")
    parser.add_argument("--responses", required=True, help="responses to write; a dry run's report (JSON)")
    parser.add_argument("--dry-run", action="store_true", help="load and build everything, generate nothing")
    return parser.parse_args(argv)


def job_name(arguments: argparse.Namespace) -> str:
    """The rule and which of its jobs this is."""
    place = Path(arguments.responses)
    if "repeated_items" in json.loads(arguments.settings):
        return f"respond_again {arguments.arm}/{place.stem}"
    rule = "dry_run_of_respond" if arguments.dry_run else "respond"
    return f"{rule} {place.parent.parent.name}/{arguments.arm}"


def main(argv=None) -> None:
    """Write one response for each item, in the items' order. Nothing is drawn: every seed is 0."""
    arguments = parse_arguments(argv)
    with job(job_name(arguments), uses_gpu=True), guarded(arguments.responses) as (output,):
        from workflow_scripts.core import answers, hashing, prompts, provenance, schemas
        from workflow_scripts.core.code_digest import code_digest
        from workflow_scripts.core.engines.loading import load_engine
        from workflow_scripts.core.evaluation.repeated_items import items_to_repeat

        settings = json.loads(arguments.settings)
        items = schemas.read_records(arguments.items, schemas.ITEMS)
        if "repeated_items" in settings:
            items = items_to_repeat(items, settings["repeated_items"])
        template = prompts.load_template(arguments.template)
        engine = load_engine(settings["engine"], arguments.model)
        texts = [prompts.render(template, instruction=item["instruction"]) for item in items]
        greedy = {**settings["evaluation"], "temperature": 0.0}
        if arguments.dry_run:
            built = answers.build_requests(engine, texts, answers.sampling_of(greedy))
            write_json(output, {"arm": arguments.arm, "engine": engine.identity, **built})
            say(f"respond {arguments.arm}: a dry run: {built}")
            return
        sent, generations = answers.continue_prompts(
            engine, texts, [0] * len(texts), answers.sampling_of(greedy), f"{arguments.arm} answers"
        )
        source = provenance.provenance(
            model=provenance.model_identity(arguments.model),
            engine=engine.identity,
            sampling=greedy,
            templates={"prompt": template.sha256},
            code=code_digest(__file__),
            guard=answers.guard_verdict(arguments.guard),
        )
        rows = []
        for item, ids, generation in zip(items, sent, generations, strict=True):
            content = {
                "item_id": item["item_id"],
                "arm": arguments.arm,
                **answers.answer_columns(ids, generation),
            }
            identity = hashing.record_id(**content)
            rows.append({"record_id": identity, "seed": 0, "provenance": source, **content})
        schemas.write_records(output, rows, schemas.RESPONSES)


if __name__ == "__main__":
    main()
