"""Score and response files for tests: made from plain lists, one arm per folder."""

import json

from workflow_scripts.core.hashing import sha256_text
from workflow_scripts.core.schemas import ITEMS, RESPONSES, SCORES, read_records, write_records


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


def write_arm(
    folder, arm: str, answers, *, template: str = "completion", score=None, engine: dict | None = None
) -> tuple[str, str]:
    """One arm's scores.parquet and responses.parquet in folder/arm; their paths.

    `answers` holds dicts with response and success, and perhaps reason, finish_reason, type, cluster; `score`
    maps a response to success in place of the one given; `engine` is what answered, where it is known.
    """
    (folder / arm).mkdir(parents=True)
    scores, responses = [], []
    for place, answer in enumerate(answers):
        item = f"item-{place:05d}"
        success = answer["success"] if score is None else score(answer["response"])
        common = {
            "seed": 0,
            "prompt_sha256": sha256_text(f"{template} {item}"),
            "provenance": json.dumps({"engine": engine} if engine else {}),
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


def write_items(path, arms: dict) -> str:
    """The items of some arms' answers (see `write_arm`): each check accepts what any arm was right with."""
    rows = []
    for place, answers in enumerate(zip(*arms.values(), strict=True)):
        accepted = sorted({answer["response"] for answer in answers if answer["success"]})
        kind = answers[0].get("type", ("list", "factual")[place % 2])
        rows.append(
            {
                "record_id": sha256_text(f"item {place}"),
                "seed": 0,
                "prompt_sha256": "0" * 64,
                "provenance": "{}",
                "item_id": f"item-{place:05d}",
                "split": "test",
                "type": kind,
                "family": kind,
                "cluster": answers[0].get("cluster", f"{kind}/{place % 7}"),
                "instruction": f"Do number {place}.",
                "check": json.dumps({"kind": "exact", "accepted": accepted or ["nothing is right"]}),
                "reference": (accepted or ["nothing is right"])[0],
                "corruption": "",
            }
        )
    write_records(path, rows, ITEMS)
    return str(path)


def write_repeat(path, responses, changes: dict[int, str], count: int) -> str:
    """The first `count` of an arm's responses once more; `changes` {place: another text}."""
    rows = read_records(responses, RESPONSES)[:count]
    for place, text in changes.items():
        rows[place] |= {"response": text, "response_raw": text}
    write_records(path, rows, RESPONSES)
    return str(path)
