"""The test, dev and calibration items: drawn held out and distinct over all splits, and audited."""

import json
import random
from collections import Counter

from workflow_scripts.core import checks
from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json, derive_seed, record_id, sha256_text
from workflow_scripts.core.task_language import Family
from workflow_scripts.core.tasks import (
    Draft,
    Tasks,
    capacity,
    draw_instruction,
    enumerate_instructions,
    family_capacity,
    finish_item,
    is_heldout,
)

SPLITS = ("test", "dev", "calibration")
MISSES = 1000  # draws in a row that give nothing new, after which what is left is enumerated


def share_out(total: int, weights: list[float], limits: list[int]) -> list[int]:
    """Split `total` in proportion to `weights`, none above its limit; ties go to the first.

    The limits together are at least `total`.
    """
    shares = [0] * len(weights)
    for _ in range(total):
        able = [place for place in range(len(weights)) if shares[place] < limits[place]]
        shares[min(able, key=lambda place: (shares[place] + 1) / weights[place])] += 1
    return shares


def type_sizes(tasks: Tasks, sizes: dict[str, int]) -> dict[str, dict[str, int]]:
    """Items per split and type: equal shares of the types, the first types get what is left over.

    InputError where a type has fewer distinct held-out instructions than all splits together ask of it.
    """
    names = list(capacity(tasks, 0))
    shares = {
        split: dict(zip(names, share_out(size, [1.0] * len(names), [size] * len(names)), strict=True))
        for split, size in sizes.items()
    }
    asked = {name: sum(shares[split][name] for split in sizes) for name in names}
    available = capacity(tasks, max(asked.values()))
    for name in names:
        if available[name] < asked[name]:
            raise InputError(
                file=tasks.file,
                field=f"items of type {name}",
                value=asked[name],
                remedy=f"its families have only {available[name]} distinct held-out instructions: ask for at"
                f" most {available[name] * len(names)} items in all splits together, or enlarge its families",
            )
    return shares


def _draw_distinct(
    family: Family, share: float, count: int, seen: set[str], rng: random.Random
) -> list[Draft]:
    """Draw held-out items whose instructions are not in `seen`, and add them to it."""
    drafts: list[Draft] = []

    def take(slots: dict, template: int, instruction: str) -> None:
        seen.add(normalise(instruction))
        drafts.append(finish_item(family, slots, template, instruction, rng))

    misses = 0
    while len(drafts) < count and misses < MISSES:
        slots, template, instruction = draw_instruction(family, rng)
        if is_heldout(instruction, share) and normalise(instruction) not in seen:
            take(slots, template, instruction)
            misses = 0
        else:
            misses += 1
    if len(drafts) < count:
        left = {
            normalise(instruction): (slots, template, instruction)
            for slots, template, instruction in enumerate_instructions(family)
            if is_heldout(instruction, share) and normalise(instruction) not in seen
        }
        for key in rng.sample(sorted(left), count - len(drafts)):
            take(*left[key])
    return drafts


def draw_splits(tasks: Tasks, sizes: dict[str, int], seed: int) -> list[dict]:
    """Draw the items of all splits: rows of the ITEMS schema without their provenance.

    `sizes` is {"test": n, "dev": n, "calibration": n}. Held-out instructions only, distinct over all splits;
    equal shares of the types, and within a type shares by the families' weights (a small family gives what it
    has, the others the rest). InputError where a type cannot fill its share.
    """
    shares = type_sizes(tasks, sizes)
    asked = {name: sum(shares[split][name] for split in sizes) for name in capacity(tasks, 0)}
    share = tasks.heldout_share
    limits = {family.name: family_capacity(family, share, asked[family.type]) for family in tasks.families}
    seen: set[str] = set()
    items = []
    for split in [name for name in SPLITS if name in sizes]:  # in one order, whatever that of the sizes
        for name, size in shares[split].items():
            families = [family for family in tasks.families if family.type == name]
            counts = share_out(
                size, [family.weight for family in families], [limits[family.name] for family in families]
            )
            for family, count in zip(families, counts, strict=True):
                rng = random.Random(derive_seed(seed, "test_set", split, family.name))
                drafts = _draw_distinct(family, share, count, seen, rng)
                limits[family.name] -= count
                items += [_item(draft, split, seed) for draft in drafts]
    return items


def _item(draft: Draft, split: str, seed: int) -> dict:
    content = {
        "split": split,
        "type": draft.type,
        "family": draft.family,
        "cluster": draft.cluster,
        "instruction": draft.instruction,
        "check": canonical_json(draft.check),
        "reference": draft.reference,
        "corruption": draft.corruption,
    }
    identity = record_id(**content)
    return {
        "item_id": identity,
        "record_id": identity,
        "seed": seed,
        "prompt_sha256": sha256_text(draft.instruction),
        **content,
    }


# ---- audit


def audit(tasks: Tasks, items: dict[str, list[dict]]) -> dict:
    """Metrics of the splits ({split: rows of the ITEMS schema}), with up to ten examples of each fault.

    duplicates: items whose instruction (normalised) an earlier item of their split has.
    overlap_between_splits: different instructions that several splits have. references_rejected,
    corruptions_accepted: items whose check errs. questions_accepted: items where the instruction itself
    passes as an answer. not_heldout: items outside the held-out part. capacity_ratio: distinct held-out
    instructions per item asked of a type, smallest over the types, counted up to 4.
    """
    rows = [row for split in items.values() for row in split]
    texts = {split: Counter(normalise(row["instruction"]) for row in items[split]) for split in items}
    splits_of = Counter(text for counts in texts.values() for text in counts)
    repeated = {text for counts in texts.values() for text, count in counts.items() if count > 1}
    passes = {
        name: [row for row in rows if checks.score(json.loads(row["check"]), row[name]).success]
        for name in ("reference", "corruption", "instruction")
    }
    accepted = {row["item_id"] for row in passes["reference"]}
    faults = {
        "duplicates": sorted(repeated),
        "overlap_between_splits": sorted(text for text, count in splits_of.items() if count > 1),
        "references_rejected": [_example(row) for row in rows if row["item_id"] not in accepted],
        "corruptions_accepted": [_example(row) for row in passes["corruption"]],
        "questions_accepted": [_example(row) for row in passes["instruction"]],
        "not_heldout": [
            _example(row) for row in rows if not is_heldout(row["instruction"], tasks.heldout_share)
        ],
    }
    asked = Counter(row["type"] for row in rows)
    available = capacity(tasks, 4 * max(asked.values()))
    ratios = {name: min(4.0, available[name] / asked[name]) for name in asked}
    values = {name: len(found) for name, found in faults.items()}
    values["duplicates"] = sum(counts.total() - len(counts) for counts in texts.values())
    values["capacity_ratio"] = min(ratios.values())
    values |= {f"items_{split}": len(items[split]) for split in items}
    return {
        "metrics": {name: {"value": float(value)} for name, value in values.items()},
        "items_by_type": {split: dict(Counter(row["type"] for row in items[split])) for split in items},
        "items_by_family": {split: dict(Counter(row["family"] for row in items[split])) for split in items},
        "items_by_phrasing": dict(Counter(row["cluster"] for row in rows)),
        "capacity_ratio_by_type": ratios,
        "examples": {name: found[:10] for name, found in faults.items()},
    }


def _example(row: dict) -> dict:
    return {name: row[name] for name in ("item_id", "instruction", "check", "reference", "corruption")}
