"""The audit of the test, dev and calibration items: are they distinct and held out, do their checks err?"""

import json
from collections import Counter

from workflow_scripts.core import checks
from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.tasks import Tasks, capacity, is_heldout

EXAMPLES = 10
CAPACITY_COUNTED = 4  # times the items that are asked for


def audit(tasks: Tasks, items: dict[str, list[dict]]) -> dict:
    """Metrics of the splits ({split: rows of the ITEMS schema}), with up to ten examples of each fault.

    duplicates: items whose instruction (normalised) an earlier item of their split has.
    overlap_between_splits: different instructions that several splits have. not_heldout: items outside the
    held-out part. Where checks err, over n texts: references_rejected; surface_forms_rejected, references in
    other forms; corruptions_accepted, each item's typical mistake and those that its check's kind makes;
    questions_accepted, the instruction itself as an answer. capacity_ratio: distinct held-out instructions
    per item asked of a type, smallest over the types, counted up to 4. `checks` has the texts tried and the
    errors for each kind of check.
    """
    rows = [row for split in items.values() for row in split]
    repeated, shared, duplicates = _repeats(items)
    tried = try_checks(rows)
    not_heldout = [row for row in rows if not is_heldout(row["instruction"], tasks.heldout_share)]
    faults = {
        "duplicates": repeated,
        "overlap_between_splits": shared,
        "not_heldout": [_example(row) for row in not_heldout],
    }
    asked = Counter(row["type"] for row in rows)
    available = capacity(tasks, CAPACITY_COUNTED * max(asked.values()))
    ratios = {name: min(float(CAPACITY_COUNTED), available.get(name, 0) / asked[name]) for name in asked}
    values = {name: len(found) for name, found in faults.items()}
    values |= {"duplicates": duplicates, "capacity_ratio": min(ratios.values())}
    values |= {f"items_{split}": len(items[split]) for split in items}
    return {
        "metrics": {name: {"value": float(value)} for name, value in values.items()} | tried["metrics"],
        "items_by_type": {split: dict(Counter(row["type"] for row in items[split])) for split in items},
        "items_by_family": {split: dict(Counter(row["family"] for row in items[split])) for split in items},
        "items_by_phrasing": dict(Counter(row["cluster"] for row in rows)),
        "capacity_ratio_by_type": ratios,
        "checks": tried["checks"],
        "examples": {name: found[:EXAMPLES] for name, found in (faults | tried["examples"]).items()},
    }


def _repeats(items: dict[str, list[dict]]) -> tuple[list[str], list[str], int]:
    """Instructions (normalised) that a split repeats, those that several splits have, number of repeats."""
    texts = {split: Counter(normalise(row["instruction"]) for row in items[split]) for split in items}
    splits_of = Counter(text for counts in texts.values() for text in counts)
    repeated = {text for counts in texts.values() for text, count in counts.items() if count > 1}
    shared = sorted(text for text, count in splits_of.items() if count > 1)
    return sorted(repeated), shared, sum(counts.total() - len(counts) for counts in texts.values())


def try_checks(rows: list[dict]) -> dict:
    """Put right and wrong texts to the check of every item, and count where it errs.

    Returns {"metrics", "examples"} by fault and {"checks": {kind: {items, surface_forms,
    surface_forms_rejected, corruptions, corruptions_accepted}}}; a check of several parts counts as all_of.
    """
    texts = Counter()
    faults = {
        name: []
        for name in (
            "references_rejected",
            "surface_forms_rejected",
            "corruptions_accepted",
            "questions_accepted",
        )
    }
    kinds: dict[str, Counter] = {}
    for row in rows:
        check = json.loads(row["check"])
        count = kinds.setdefault(check["kind"], Counter())
        count["items"] += 1
        for fault, wanted, tried in _trials(row, check):
            errs = {
                name: text for name, text in tried.items() if checks.score(check, text).success is not wanted
            }
            texts[fault] += len(tried)
            count[fault.rsplit("_", 1)[0]] += len(tried)
            count[fault] += len(errs)
            faults[fault] += [_example(row) | {"text": name, "tried": text} for name, text in errs.items()]
    columns = [
        "items",
        *("surface_forms", "surface_forms_rejected"),
        *("corruptions", "corruptions_accepted"),
    ]
    return {
        "metrics": {name: {"value": float(len(found)), "n": texts[name]} for name, found in faults.items()},
        "examples": faults,
        "checks": {kind: {name: kinds[kind][name] for name in columns} for kind in sorted(kinds)},
    }


def _trials(row: dict, check: dict) -> list[tuple[str, bool, dict[str, str]]]:
    """(fault, the verdict that is due, {name: text}) for each group of texts that the check is tried on."""
    reference = row["reference"]
    right = checks.score(check, reference).success  # forms of a wrong answer say nothing
    return [
        ("references_rejected", True, {"reference": reference}),
        ("surface_forms_rejected", True, checks.surface_forms(check, reference) if right else {}),
        ("corruptions_accepted", False, checks.corruptions(check, reference) if right else {}),
        ("corruptions_accepted", False, {"the item's own": row["corruption"]}),
        ("questions_accepted", False, {"the instruction": row["instruction"]}),
    ]


def _example(row: dict) -> dict:
    return {name: row[name] for name in ("item_id", "instruction", "check", "reference", "corruption")}
