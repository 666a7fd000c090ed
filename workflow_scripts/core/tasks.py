"""Declarative task families: items with a programmatic check, drawn from a YAML file.

A file has `name`, `heldout_share` (the part of all instructions that is reserved for test, dev and calibration),
`lexicon` (named data) and `families`. A family has `name`, `type`, `weight` (default 1), `slots`, `require` (an
optional condition on the slots), `templates` (Jinja2 texts of the instruction), `check` ({kind, arguments}),
`reference` (a right answer) and `corruption` (the careless mistake that is typical of it, always wrong).

Slots are filled in their order, each of one kind:

    {one_of: EXPR}                 one element of a list
    {sample: EXPR, count: EXPR}    that many different elements, in any order
    {value: EXPR}                  computed
    {text: TEMPLATE}               computed, as a text

EXPR is a Jinja2 expression over the lexicon and the slots before it, evaluated in a sandbox (anything but a
string is taken as it is). In `reference` and `corruption`, `favourites(pools, counts)`, `sample(list, k)` and
`choose(list)` draw at random.
"""

import hashlib
import itertools
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml
from jinja2.sandbox import SandboxedEnvironment

from workflow_scripts.core import checks
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json, derive_seed, record_id, sha256_text

TYPES = ("factual", "list", "transform", "format", "constraint")
SPLITS = ("test", "dev", "calibration")
MISSES = 50  # draws in a row without a new item, after which the rest is enumerated


@dataclass(frozen=True, slots=True)
class Draft:
    """One drawn item before it belongs to a split."""

    type: str
    family: str
    cluster: str
    instruction: str
    check: dict
    reference: str
    corruption: str


@dataclass(frozen=True, slots=True)
class Slot:
    """How a variable is filled: `kind` is one_of, sample, value or text; `count` only for sample."""

    name: str
    kind: str
    expression: Callable[[dict], Any]
    count: Callable[[dict], Any] | None


@dataclass(frozen=True, slots=True)
class Family:
    """A compiled task family."""

    name: str
    type: str
    weight: float
    slots: tuple[Slot, ...]
    require: Callable[[dict], Any] | None
    templates: tuple[Callable[[dict], str], ...]
    outcome: Callable[[dict], dict]


@dataclass(frozen=True, slots=True)
class Tasks:
    """All families of one file."""

    name: str
    heldout_share: float
    lexicon: dict
    families: tuple[Family, ...]


def normalise(instruction: str) -> str:
    """Instruction with case, spacing and closing punctuation taken away, as a key for equality."""
    text = " ".join(unicodedata.normalize("NFKC", instruction).casefold().split())
    return text.rstrip(" .!?")


def is_heldout(instruction: str, share: float) -> bool:
    """Whether an instruction is reserved for test, dev and calibration: a function of its text alone.

    The first 8 bytes of the SHA-256 of the normalised text, as a fraction of their range, are below `share`.
    """
    digest = hashlib.sha256(normalise(instruction).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


# ---- reading the file


def _without(items, excluded) -> list:
    return [item for item in items if item not in excluded]


def _names(numbers, words) -> list[str]:
    return [words[number - 1] for number in numbers]


def _environment(lexicon: dict) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.globals.update(lexicon, without=_without, names=_names)
    return environment


def _expression(environment: SandboxedEnvironment, source: Any) -> Callable[[dict], Any]:
    """Compile one EXPR of the file into a function of the variables."""
    if not isinstance(source, str):
        return lambda variables: source
    compiled = environment.compile_expression(source, undefined_to_none=False)

    def evaluate(variables: dict) -> Any:
        result = compiled(variables)
        if isinstance(result, jinja2.Undefined):
            str(result)  # raises UndefinedError with the name
        return result

    return evaluate


def _source(value: Any) -> str:
    """An EXPR as Jinja2 source, so that several can be evaluated in one go."""
    return f"({value})" if isinstance(value, str) else repr(value)


def _slot(environment: SandboxedEnvironment, name: str, entry: dict) -> Slot:
    kind = next(kind for kind in ("one_of", "sample", "value", "text") if kind in entry)
    if kind == "text":
        return Slot(name, kind, environment.from_string(entry["text"]).render, None)
    count = _expression(environment, entry["count"]) if kind == "sample" else None
    return Slot(name, kind, _expression(environment, entry[kind]), count)


def _family(environment: SandboxedEnvironment, entry: dict) -> Family:
    check = {name: value for name, value in entry["check"].items() if name != "kind"}
    arguments = ", ".join(f"{name!r}: {_source(value)}" for name, value in check.items())
    outcome = (
        f"{{'check': {{'kind': {entry['check']['kind']!r}, {arguments}}},"
        f" 'reference': {_source(entry['reference'])}, 'corruption': {_source(entry['corruption'])}}}"
    )
    return Family(
        name=entry["name"],
        type=entry["type"],
        weight=float(entry.get("weight", 1)),
        slots=tuple(_slot(environment, name, slot) for name, slot in entry["slots"].items()),
        require=_expression(environment, entry["require"]) if "require" in entry else None,
        templates=tuple(environment.from_string(text).render for text in entry["templates"]),
        outcome=_expression(environment, outcome),
    )


def load_tasks(path: str | Path) -> Tasks:
    """Read and compile a task file; InputError names what is wrong in it."""
    data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    environment = _environment(data["lexicon"])
    families = tuple(_family(environment, entry) for entry in data["families"])
    return Tasks(data["name"], float(data["heldout_share"]), data["lexicon"], families)


# ---- drawing


def _favourites(rng: random.Random) -> Callable:
    def favourites(pools, counts) -> list:
        """`counts[i]` different elements of `pools[i]`, the element of rank r drawn with weight 1 / r."""
        picked = []
        for pool, count in zip(pools, counts, strict=True):
            remaining = list(pool)
            weights = [1 / rank for rank in range(1, len(remaining) + 1)]
            for _ in range(count):
                place = rng.choices(range(len(remaining)), weights)[0]
                picked.append(remaining.pop(place))
                weights.pop(place)
        return picked

    return favourites


def _finish(family: Family, slots: dict, template: int, instruction: str, rng: random.Random) -> Draft:
    variables = {**slots, "favourites": _favourites(rng), "sample": rng.sample, "choose": rng.choice}
    outcome = family.outcome(variables)
    return Draft(
        family.type,
        family.name,
        f"{family.name}/{template}",
        instruction,
        outcome["check"],
        outcome["reference"],
        outcome["corruption"],
    )


def _draw_slots(family: Family, rng: random.Random) -> dict:
    while True:
        slots: dict = {}
        for slot in family.slots:
            value = slot.expression(slots)
            if slot.kind == "one_of":
                value = rng.choice(value)
            elif slot.kind == "sample":
                value = rng.sample(value, slot.count(slots))
            slots[slot.name] = value
        if family.require is None or family.require(slots):
            return slots


def draw_item(family: Family, rng: random.Random) -> Draft:
    """Draw one item of a family; everything random comes from `rng`."""
    slots = _draw_slots(family, rng)
    template = rng.randrange(len(family.templates))
    return _finish(family, slots, template, family.templates[template](slots), rng)


def _all_slots(family: Family, place: int = 0, slots: dict | None = None) -> Iterator[dict]:
    slots = slots or {}
    if place == len(family.slots):
        if family.require is None or family.require(slots):
            yield slots
        return
    slot = family.slots[place]
    value = slot.expression(slots)
    if slot.kind == "one_of":
        values = value
    elif slot.kind == "sample":
        values = map(list, itertools.permutations(value, slot.count(slots)))
    else:
        values = [value]
    for value in values:
        yield from _all_slots(family, place + 1, {**slots, slot.name: value})


def enumerate_instructions(family: Family) -> Iterator[tuple[dict, int, str]]:
    """Every (slots, template number, instruction) of a family, lazily, in a fixed order, with repeats."""
    for slots in _all_slots(family):
        for number, template in enumerate(family.templates):
            yield slots, number, template(slots)


def family_capacity(family: Family, share: float, need: int) -> int:
    """Number of distinct held-out instructions of one family, counted up to `need`."""
    seen = set()
    for _, _, instruction in enumerate_instructions(family):
        if len(seen) >= need:
            break
        if is_heldout(instruction, share):
            seen.add(normalise(instruction))
    return len(seen)


def capacity(tasks: Tasks, need: int) -> dict[str, int]:
    """Number of distinct held-out instructions per type, each counted only up to `need`."""
    counts: dict[str, int] = {}
    for family in tasks.families:
        missing = need - counts.get(family.type, 0)
        counts[family.type] = counts.get(family.type, 0) + family_capacity(family, tasks.heldout_share, missing)
    return counts


# ---- splits


def _shares(total: int, names: list[str], weights: list[float], limits: list[int]) -> dict[str, int]:
    """Split `total` over names in proportion to weights, none above its limit; the first ones get the remainder."""
    shares = dict.fromkeys(names, 0)
    for _ in range(total):
        open_names = [i for i, name in enumerate(names) if shares[name] < limits[i]]
        best = min(open_names, key=lambda i: ((shares[names[i]] + 1) / weights[i], i))
        shares[names[best]] += 1
    return shares


def _draw_distinct(family: Family, share: float, count: int, seen: set[str], rng: random.Random) -> list[Draft]:
    drafts: list[Draft] = []
    misses = 0
    while len(drafts) < count and misses < MISSES:
        draft = draw_item(family, rng)
        key = normalise(draft.instruction)
        if key in seen or not is_heldout(draft.instruction, share):
            misses += key in seen
            continue
        misses = 0
        seen.add(key)
        drafts.append(draft)
    if len(drafts) == count:
        return drafts
    rest = {}
    for slots, template, instruction in enumerate_instructions(family):
        key = normalise(instruction)
        if key not in seen and is_heldout(instruction, share):
            rest.setdefault(key, (slots, template, instruction))
    for key in rng.sample(sorted(rest), count - len(drafts)):
        seen.add(key)
        drafts.append(_finish(family, *rest[key], rng))
    return drafts


def draw_splits(tasks: Tasks, sizes: dict[str, int], seed: int) -> list[dict]:
    """Draw the test, dev and calibration items: held-out instructions only, distinct over all splits."""
    items: list[dict] = []
    seen: set[str] = set()
    types = [name for name in TYPES if any(family.type == name for family in tasks.families)]
    by_type = {split: _shares(sizes[split], types, [1.0] * len(types), [sizes[split]] * len(types)) for split in SPLITS}
    needed = {name: sum(by_type[split][name] for split in SPLITS) for name in types}
    available = capacity(tasks, max(needed.values()))
    for name in types:
        if available[name] < needed[name]:
            raise InputError(
                file=tasks.name,
                field=f"type {name}",
                value=needed[name],
                remedy=f"only {available[name]} distinct held-out instructions are available; ask for fewer items",
            )
    limits = {f.name: family_capacity(f, tasks.heldout_share, needed[f.type]) for f in tasks.families}
    for split in SPLITS:
        for name in types:
            families = [family for family in tasks.families if family.type == name]
            shares = _shares(
                by_type[split][name],
                [family.name for family in families],
                [family.weight for family in families],
                [limits[family.name] for family in families],
            )
            for family in families:
                rng = random.Random(derive_seed(seed, "test_set", split, family.name))
                drafts = _draw_distinct(family, tasks.heldout_share, shares[family.name], seen, rng)
                limits[family.name] -= len(drafts)
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
