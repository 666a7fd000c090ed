"""The test, dev and calibration items: drawn held out and distinct over all splits."""

import random

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
    type_names,
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
    """Items per split and type. InputError where there are fewer distinct held-out instructions than that.

    Families: equal shares of the types, the first types get what is left over. Own items: shares of the types
    in proportion to what the file has of them.
    """
    return _equal_sizes(tasks, sizes) if tasks.balanced else _proportional_sizes(tasks, sizes)


def _proportional_sizes(tasks: Tasks, sizes: dict[str, int]) -> dict[str, dict[str, int]]:
    asked = sum(sizes.values())
    left = capacity(tasks, sum(int(family.weight) for family in tasks.families))
    if sum(left.values()) < asked:
        remedy = f"it has only {sum(left.values())}: ask for fewer in all splits together, or write more"
        raise InputError(file=tasks.file, field="items", value=asked, remedy=remedy)
    weights = [float(count) for count in left.values()]
    shares = {}
    for split in [name for name in SPLITS if name in sizes]:
        shares[split] = dict(zip(left, share_out(sizes[split], weights, list(left.values())), strict=True))
        left = {name: count - shares[split][name] for name, count in left.items()}
    return shares


def _equal_sizes(tasks: Tasks, sizes: dict[str, int]) -> dict[str, dict[str, int]]:
    names = type_names(tasks)
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
    the types get shares by `type_sizes`, and the families of a type by their weights (a small family gives
    what it has, the others the rest). InputError where a type cannot fill its share.
    """
    shares = type_sizes(tasks, sizes)
    asked = {name: sum(shares[split][name] for split in sizes) for name in type_names(tasks)}
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
