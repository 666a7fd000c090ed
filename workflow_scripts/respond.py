"""Answer every item greedily with one model: the responses of one arm.

    python -m workflow_scripts.respond --settings '{"engine": ..., "evaluation": {"max_new_tokens": 32,
        "stop": ["\\nQuestion:"]}}' --arm sft --model models/sft-merged --items test.parquet \\
        --template completion.j2 --responses evaluation/sft/responses.parquet

With `"repeated_items": 200` in the settings a sample of so many items is answered: an arm asked again.
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job


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
    parser.add_argument("--responses", required=True, help="responses to write")
    return parser.parse_args(argv)


def job_name(arguments: argparse.Namespace) -> str:
    """The rule and which of its jobs this is."""
    place = Path(arguments.responses)
    if "repeated_items" in json.loads(arguments.settings):
        return f"respond_again {arguments.arm}/{place.stem}"
    return f"respond {place.parent.parent.name}/{arguments.arm}"


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
