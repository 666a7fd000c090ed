"""Declarative task families: items with a programmatic check, drawn from a YAML file.

A file has `name`, `heldout_share` (the part of all instructions that is reserved for test, dev and calibration),
`lexicon` (named data) and `families`. A family has `name`, `type`, `weight` (its part of the type's items, default
1), `slots`, `require` (an optional condition on the slots), `templates` (texts of the instruction), `check` ({kind:
one of core.checks, and its arguments}), `reference` (a right answer) and `corruption` (the one careless mistake
that is typical of the family, always wrong). Slots are filled in their order, each of one kind:

    {one_of: EXPR}                 one element of a list
    {sample: EXPR, count: EXPR}    that many different elements, in any order
    {value: EXPR}                  computed
    {text: TEMPLATE}               computed, as a text

EXPR is a Jinja2 expression over the lexicon and the slots before it (what is no string is taken as it is), with
`without(items, excluded)`, `choose(items)` and `sample(items, count)`. Check, reference and corruption see all
slots, and have `favourites(pools, counts)` too: different elements, those of low rank first in mind.
"""

import hashlib
import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
import yaml

from workflow_scripts.core import checks
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json, derive_seed, record_id, sha256_text
from workflow_scripts.core.task_language import TYPES, Family, Fault, compile_family, every_choice, new_environment

MISSES = 1000  # draws in a row that give nothing new, after which what is left is enumerated


@dataclass(frozen=True, slots=True)
class Draft:
    """One drawn item that belongs to no split yet."""

    type: str
    family: str
    cluster: str
    instruction: str
    check: dict
    reference: str
    corruption: str


@dataclass(frozen=True, slots=True)
class Tasks:
    """All families of one file."""

    name: str
    file: str
    heldout_share: float
    lexicon: dict
    families: tuple[Family, ...]


def normalise(instruction: str) -> str:
    """An instruction without differences of case, spacing and closing punctuation: the key of equality."""
    text = " ".join(unicodedata.normalize("NFKC", instruction).casefold().split())
    return text.rstrip(" .!?")


def is_heldout(instruction: str, share: float) -> bool:
    """Whether an instruction is reserved for test, dev and calibration: a function of its text alone.

    It is where the first 8 bytes of the SHA-256 of its normalised text, as a part of their range, are below `share`.
    """
    digest = hashlib.sha256(normalise(instruction).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def load_tasks(path: str | Path) -> Tasks:
    """Read and compile a task file, and try every phrasing once; InputError names the field that is wrong."""
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(file=path, remedy="this task file does not exist") from None
    except yaml.YAMLError as error:
        raise InputError(file=path, remedy=f"this is no valid YAML: {error}") from None
    keys = {"name", "heldout_share", "lexicon", "families"}
    if not isinstance(data, dict) or data.keys() != keys:
        raise InputError(file=path, remedy=f"give exactly the keys {', '.join(sorted(keys))}")
    share = data["heldout_share"]
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise InputError(file=path, field="heldout_share", value=share, remedy="give a number between 0 and 1")
    environment = new_environment()
    families: dict[str, Family] = {}
    for place, entry in enumerate(data["families"]):
        label = f"families[{place}] ({entry.get('name')})"
        if entry.get("name") in families:
            raise InputError(file=path, field=label, remedy="another family has this name")
        try:
            family = compile_family(environment, entry, data["lexicon"])
            _try_out(family)
        except Fault as fault:
            raise InputError(file=path, field=f"{label}.{fault.field}", remedy=fault.remedy) from None
        except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise InputError(file=path, field=label, remedy=f"cannot be evaluated: {error}") from None
        families[family.name] = family
    return Tasks(data["name"], str(path), float(share), data["lexicon"], tuple(families.values()))


def _try_out(family: Family) -> None:
    """One item per phrasing: whatever is undefined or judged wrongly comes to light when the file is read."""
    rng = random.Random(0)
    slots = _draw_slots(family, rng)
    for number, template in enumerate(family.templates):
        draft = _finish(family, slots, number, template(slots), rng)
        verdict = checks.score(draft.check, draft.reference)
        if not verdict.success:
            raise Fault("reference", f"{draft.reference!r} fails its own check: {verdict.reason}")
        if checks.score(draft.check, draft.corruption).success:
            raise Fault("corruption", f"{draft.corruption!r} passes the check: give a mistake")


# ---- drawing and counting


def _draw_slots(family: Family, rng: random.Random) -> dict:
    slots = None
    while slots is None:
        slots = family.slots(rng.randrange)
    return slots


def _finish(family: Family, slots: dict, template: int, instruction: str, rng: random.Random) -> Draft:
    cluster = f"{family.name}/{template}"
    return Draft(family.type, family.name, cluster, instruction, *family.outcome(slots, rng))


def draw_item(family: Family, rng: random.Random) -> Draft:
    """Draw one item of a family, held out or not; everything random comes from `rng`."""
    slots = _draw_slots(family, rng)
    template = rng.randrange(len(family.templates))
    return _finish(family, slots, template, family.templates[template](slots), rng)


def enumerate_instructions(family: Family) -> Iterator[tuple[dict, int, str]]:
    """Every (slots, template number, instruction) of a family, lazily, in a fixed order, repeats included."""
    for slots in every_choice(family.slots):
        if slots is not None:
            for number, template in enumerate(family.templates):
                yield slots, number, template(slots)


def family_capacity(family: Family, share: float, need: int) -> int:
    """Number of distinct held-out instructions of one family, counted only up to `need`."""
    seen: set[str] = set()
    if need > 0:
        for _, _, instruction in enumerate_instructions(family):
            if is_heldout(instruction, share):
                seen.add(normalise(instruction))
                if len(seen) == need:
                    break
    return len(seen)


def capacity(tasks: Tasks, need: int) -> dict[str, int]:
    """Number of distinct held-out instructions per type, each counted only up to `need`."""
    counts = dict.fromkeys((name for name in TYPES if any(f.type == name for f in tasks.families)), 0)
    for family in tasks.families:
        counts[family.type] += family_capacity(family, tasks.heldout_share, need - counts[family.type])
    return counts


# ---- splits


def share_out(total: int, weights: list[float], limits: list[int]) -> list[int]:
    """Split `total` in proportion to `weights`, none above its limit (their sum is enough); ties go to the first."""
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
                remedy=f"its families give only {available[name]} distinct held-out instructions: ask for at most"
                f" {available[name] * len(names)} items in all splits together, or enlarge its families",
            )
    return shares


def _draw_distinct(
    family: Family, share: float, count: int, seen: set[str], rng: random.Random
) -> list[Draft]:
    """Draw held-out items whose instructions are not in `seen`, and add them to it."""
    drafts: list[Draft] = []

    def take(slots: dict, template: int, instruction: str) -> None:
        seen.add(normalise(instruction))
        drafts.append(_finish(family, slots, template, instruction, rng))

    misses = 0
    while len(drafts) < count and misses < MISSES:
        slots = _draw_slots(family, rng)
        template = rng.randrange(len(family.templates))
        instruction = family.templates[template](slots)
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
    """Draw items for the splits, `sizes` = {"test": n, "dev": n, "calibration": n}: rows without provenance.

    Held-out instructions only, distinct over all splits; equal shares of the types, and within a type shares by
    the families' weights (a small family gives what it has, the others the rest). An earlier split does not
    depend on the sizes of the later ones. InputError where a type cannot fill its share.
    """
    shares = type_sizes(tasks, sizes)
    asked = {name: sum(shares[split][name] for split in sizes) for name in capacity(tasks, 0)}
    limits = {
        family.name: family_capacity(family, tasks.heldout_share, asked[family.type]) for family in tasks.families
    }
    seen: set[str] = set()
    items = []
    for split in sizes:
        for name, size in shares[split].items():
            families = [family for family in tasks.families if family.type == name]
            counts = share_out(
                size, [family.weight for family in families], [limits[family.name] for family in families]
            )
            for family, count in zip(families, counts, strict=True):
                rng = random.Random(derive_seed(seed, "test_set", split, family.name))
                drafts = _draw_distinct(family, tasks.heldout_share, count, seen, rng)
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
