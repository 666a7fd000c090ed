"""Score every response by its item's programmatic check: success or not, with a reason.

    python -m workflow_scripts.score --items test.parquet --responses evaluation/sft/responses.parquet \\
        --scores evaluation/sft/scores.parquet
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core import hashing, schemas
from workflow_scripts.core.code_digest import code_digest
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.scoring import judge
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", required=True, help="the items that were asked")
    parser.add_argument("--responses", required=True, help="one arm's responses to all of them")
    parser.add_argument("--scores", required=True, help="scores to write")
    return parser.parse_args(argv)


def score_row(item: dict, response: dict, code: str) -> dict:
    """One row of the SCORES schema. The check sees the cleaned response."""
    text, verdict = judge(item, response["response_raw"])
    content = {
        "item_id": item["item_id"],
        "arm": response["arm"],
        "type": item["type"],
        "family": item["family"],
        "cluster": item["cluster"],
        "success": verdict.success,
        "reason": verdict.reason,
        "response_characters": len(text),
        "finish_reason": response["finish_reason"],
    }
    source = {**json.loads(response["provenance"]), "derived": {"code_digest": code}}
    return {
        "record_id": hashing.record_id(response=response["record_id"], **content),
        "seed": response["seed"],
        "prompt_sha256": response["prompt_sha256"],
        "provenance": hashing.canonical_json(source),
        **content,
    }


def main(argv=None) -> None:
    """Write the scores, in the items' order."""
    arguments = parse_arguments(argv)
    folder = Path(arguments.scores).parent
    with job(f"score {folder.parent.name}/{folder.name}"), guarded(arguments.scores) as (output,):
        items = schemas.read_records(arguments.items, schemas.ITEMS)
        responses = schemas.read_records(arguments.responses, schemas.RESPONSES)
        if [item["item_id"] for item in items] != [response["item_id"] for response in responses]:
            remedy = f"these are not the responses to {arguments.items}: answer those items again"
            raise InputError(file=arguments.responses, field="item_id", remedy=remedy)
        code = code_digest(__file__)
        scores = [score_row(item, response, code) for item, response in zip(items, responses, strict=True)]
        schemas.write_records(output, scores, schemas.SCORES)
        right = sum(row["success"] for row in scores)
        say(f"score: {right} of {len(scores)} right")


if __name__ == "__main__":
    main()
