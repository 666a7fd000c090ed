"""Score and response files for tests: made from plain lists, one arm per folder."""

import json

from workflow_scripts.core.hashing import sha256_text
from workflow_scripts.core.schemas import RESPONSES, SCORES, write_records


def write_jsonl(path, rows) -> str:
    """Rows as JSONL; the file's path as text."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def scored_rows(success, *, types=("list", "factual"), clusters=None) -> list[dict]:
    """Plain scored items with ids `item-000...`, their types taken in turn."""
    rows = []
    for place, outcome in enumerate(success):
        row = {"item_id": f"item-{place:05d}", "type": types[place % len(types)], "success": bool(outcome)}
        if clusters is not None:
            row["cluster"] = f"family/{place % clusters}"
        rows.append(row)
    return rows


def write_arm(folder, arm: str, answers, *, template: str = "completion", score=None) -> tuple[str, str]:
    """One arm's scores.parquet and responses.parquet in folder/arm; their paths.

    `answers` holds dicts with response and success, and perhaps reason, finish_reason, type, cluster; `score`
    maps a response to success in place of the one given.
    """
    (folder / arm).mkdir(parents=True)
    scores, responses = [], []
    for place, answer in enumerate(answers):
        item = f"item-{place:05d}"
        success = answer["success"] if score is None else score(answer["response"])
        common = {
            "seed": 0,
            "prompt_sha256": sha256_text(f"{template} {item}"),
            "provenance": "{}",
            "item_id": item,
            "arm": arm,
            "finish_reason": answer.get("finish_reason", "eos"),
        }
        responses.append(
            {
                **common,
                "record_id": sha256_text(f"response {arm} {item}"),
                "response_raw": answer["response"],
                "response": answer["response"],
                "response_tokens": len(answer["response"].split()),
                "prompt_tokens": 9,
            }
        )
        kind = answer.get("type", ("list", "factual")[place % 2])
        scores.append(
            {
                **common,
                "record_id": sha256_text(f"score {arm} {item}"),
                "type": kind,
                "family": kind,
                "cluster": answer.get("cluster", f"{kind}/{place % 7}"),
                "success": success,
                "reason": "right" if success else answer.get("reason", "wrong words"),
                "response_characters": len(answer["response"]),
            }
        )
    paths = folder / arm / "scores.parquet", folder / arm / "responses.parquet"
    write_records(paths[0], scores, SCORES)
    write_records(paths[1], responses, RESPONSES)
    return str(paths[0]), str(paths[1])
