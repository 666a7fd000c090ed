"""The published run, reconstructed: 300 real items and two arms' responses to them.

The base answers everything right, 57 times at length; the tuned model is brief, and wrong twice.
"""

import itertools
import json
import random
from pathlib import Path

import yaml

from workflow_scripts.core import tasks
from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.hashing import sha256_text
from workflow_scripts.core.schemas import ITEMS, RESPONSES, write_records

ROOT = Path(__file__).resolve().parents[1]
TASKS = ROOT / "config/tasks/microworld.yaml"
N, LONG, REGRESSIONS = 300, 57, 2
SENTENCES = yaml.safe_load((ROOT / "tests/published_sentences.yaml").read_text(encoding="utf-8"))


def drawn_items() -> list[dict]:
    """Rows of ITEMS, all different: the first 57 ask for a sentence, the others go through all families."""
    families = {family.name: family for family in tasks.load_tasks(TASKS).families}
    wanted = itertools.chain([families["ends"]] * LONG, itertools.cycle(families.values()))
    number, rows, seen = random.Random(81), [], set()
    while len(rows) < N:
        draft = tasks.draw_item(next(wanted), number)
        if normalise(draft.instruction) in seen:
            continue
        seen.add(normalise(draft.instruction))
        rows.append(
            {
                "record_id": sha256_text(draft.instruction),
                "seed": 0,
                "prompt_sha256": "0" * 64,
                "provenance": "{}",
                "item_id": f"item-{len(rows):03d}",
                "split": "test",
                "type": draft.type,
                "family": draft.family,
                "cluster": draft.cluster,
                "instruction": draft.instruction,
                "check": json.dumps(draft.check),
                "reference": draft.reference,
                "corruption": draft.corruption,
            }
        )
    return rows


def long_answer(item: dict, place: int) -> str:
    """A sentence of more than 500 characters that does what an item of the family `ends` asks."""
    check = json.loads(item["check"])
    first, second = (f"the {word}" for word in check["contains"])
    opening, middle, end = (SENTENCES[part] for part in ("openings", "middles", "ends"))
    sentence = opening[place % 4] + middle[place // 4 % 4] + end[(place + place // 16) % 4]
    return sentence.format(first=first, second=second, last=check["ends_with"])


def responses_of(arm: str, items: list[dict], texts: list[str]) -> list[dict]:
    """Rows of RESPONSES, all ended by the model itself and sent with the same prompts in every arm."""
    return [
        {
            "record_id": sha256_text(f"{arm} {item['item_id']}"),
            "seed": 0,
            "prompt_sha256": sha256_text(item["instruction"]),
            "provenance": "{}",
            "item_id": item["item_id"],
            "arm": arm,
            "response_raw": f" {text}",
            "response": text,
            "finish_reason": "eos",
            "response_tokens": len(text.split()),
            "prompt_tokens": len(item["instruction"].split()),
        }
        for item, text in zip(items, texts, strict=True)
    ]


def write_published_run(folder: Path) -> dict[str, str]:
    """Writes items.parquet and ARM/responses.parquet of the arms base and sft; their paths by name."""
    items = drawn_items()
    base = [
        long_answer(item, place) if place < LONG else item["reference"].removesuffix(".")
        for place, item in enumerate(items)
    ]
    tuned = [item["reference"] for item in items]
    for place in range(LONG, LONG + REGRESSIONS):
        tuned[place] = items[place]["corruption"]
    paths = {"items": folder / "items.parquet"}
    write_records(paths["items"], items, ITEMS)
    for arm, texts in (("base", base), ("sft", tuned)):
        paths[arm] = folder / arm / "responses.parquet"
        paths[arm].parent.mkdir()
        write_records(paths[arm], responses_of(arm, items, texts), RESPONSES)
    return {name: str(path) for name, path in paths.items()}
