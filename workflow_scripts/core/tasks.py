"""Task families: items with a programmatic check, drawn from a YAML file, or from a file of own items.

A JSONL file holds items that somebody wrote: see `core.own_items`. A YAML file has `name`, `heldout_share`
(the part of all instructions that is reserved for test, dev and calibration), `lexicon` (named data) and
`families`. A family has `name`, `type`, `weight` (its part of the type's items, default 1), `slots`,
`require` (an optional condition on the slots), `templates` (phrasings of the instruction), `check` ({kind: a
key of core.checks.CHECKS, and its arguments}), `reference` (a right answer) and `corruption` (the one
careless mistake that is typical of the family, always wrong). Slots are filled in their order, each of one
kind:

    {one_of: EXPR}                 one element of a list
    {sample: EXPR, count: EXPR}    that many different elements, in any order
    {value: EXPR}                  computed
    {text: TEMPLATE}               computed, as a text

EXPR is a Jinja2 expression over the lexicon and the slots before it (what is no string is taken as it is),
with `without(items, excluded)`, `integers(first, last)`, `choose(items)` and `sample(items, count)`. Check,
reference and corruption see all slots, and have `favourites(pools, counts)` too: different elements, those
of low rank more often.
"""

import hashlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
import yaml

from workflow_scripts.core import checks, own_items, task_language
from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json
from workflow_scripts.core.task_language import TYPES, Family, Fault

KEYS = ("families", "heldout_share", "lexicon", "name")
TRIED = 10_000


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
    """All families of one file.

    `balanced`: every type gets the same share of the items, as families of templates can fill it; own items
    are fixed, and their types get shares in proportion to what there is.
    """

    name: str
    file: str
    heldout_share: float
    lexicon: dict
    families: tuple[Family, ...]
    balanced: bool = True


def is_heldout(instruction: str, share: float) -> bool:
    """Whether an instruction is reserved for test, dev and calibration: a function of its text alone.

    True when the first 8 bytes of the SHA-256 of the normalised text, divided by 2**64, are below `share`.
    """
    digest = hashlib.sha256(normalise(instruction).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def load_tasks(path: str | Path) -> Tasks:
    """Read a file of families (YAML) or of own items (JSONL); InputError names the field that is wrong.

    Families are compiled, and every phrasing is tried once.
    """
    if Path(path).suffix == ".jsonl":
        return Tasks(Path(path).stem, str(path), 1.0, {}, own_items.load_families(path), balanced=False)
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(file=path, remedy="this task file does not exist") from None
    except UnicodeDecodeError as error:
        raise InputError(file=path, field=f"byte {error.start}", remedy="save the file as UTF-8") from None
    except yaml.YAMLError as error:
        raise InputError(file=path, remedy=f"this is no valid YAML: {error}") from None
    if not isinstance(data, dict) or sorted(data) != sorted(KEYS):
        raise InputError(file=path, remedy=f"give exactly the keys {', '.join(KEYS)}")
    for name, kind in (("lexicon", dict), ("families", list)):
        if not isinstance(data[name], kind) or not data[name]:
            raise InputError(file=path, field=name, remedy=f"give a {kind.__name__} that is not empty")
    share = data["heldout_share"]
    if not isinstance(share, int | float) or not 0 < share < 1:
        remedy = "give a number between 0 and 1"
        raise InputError(file=path, field="heldout_share", value=share, remedy=remedy)
    families: dict[str, Family] = {}
    for place, entry in enumerate(data["families"]):
        field = f"families[{place}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or entry["name"] in families:
            raise InputError(file=path, field=field, remedy="give each family a `name` of its own")
        families[entry["name"]] = _load_family(entry, data["lexicon"], path, f"{field} ({entry['name']})")
    return Tasks(data["name"], str(path), float(share), data["lexicon"], tuple(families.values()))


def _load_family(entry: dict, lexicon: dict, path, field: str) -> Family:
    try:
        family = task_language.compile_family(entry, lexicon)
        _try_out(family)
    except Fault as fault:
        raise InputError(file=path, field=f"{field}.{fault.field}", remedy=fault.remedy) from None
    except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise InputError(file=path, field=field, remedy=f"cannot be evaluated: {error}") from None
    return family


def _try_out(family: Family) -> None:
    """One item per phrasing: whatever is undefined or judged wrongly comes to light when the file is read."""
    tried = itertools.islice(task_language.every_choice(family.slots), TRIED)
    slots = next((slots for slots in tried if slots is not None), None)
    if slots is None:
        raise Fault("require", f"holds for none of the first {TRIED} ways to fill the slots")
    rng = random.Random(0)
    for number, template in enumerate(family.templates):
        draft = finish_item(family, slots, number, template(slots), rng)
        for name in ("reference", "corruption"):
            if not isinstance(getattr(draft, name), str):
                raise Fault(name, f"must be a text: {getattr(draft, name)}")
        canonical_json(draft.check)
        checks.validate(draft.check)
        verdict = checks.score(draft.check, draft.reference)
        if not verdict.success:
            raise Fault("reference", f"{draft.reference!r} fails its own check: {verdict.reason}")
        if checks.score(draft.check, draft.corruption).success:
            raise Fault("corruption", f"{draft.corruption!r} passes the check: give a mistake")


# ---- drawing and counting


def draw_instruction(family: Family, rng: random.Random) -> tuple[dict, int, str]:
    """Draw (slots, template number, instruction) of a family."""
    slots = None
    while slots is None:
        slots = family.slots(rng.randrange)
    template = rng.randrange(len(family.templates))
    return slots, template, family.templates[template](slots)


def finish_item(family: Family, slots: dict, template: int, instruction: str, rng: random.Random) -> Draft:
    """The item of a drawn or enumerated instruction, with its check, reference and corruption."""
    cluster = family.cluster(slots, template)
    return Draft(family.type, family.name, cluster, instruction, *family.outcome(slots, rng))


def draw_item(family: Family, rng: random.Random) -> Draft:
    """Draw one item of a family, held out or not; everything random comes from `rng`."""
    return finish_item(family, *draw_instruction(family, rng), rng)


def enumerate_instructions(family: Family) -> Iterator[tuple[dict, int, str]]:
    """Every (slots, template number, instruction) of a family, lazily, in a fixed order, repeats included."""
    for slots in task_language.every_choice(family.slots):
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


def type_names(tasks: Tasks) -> list[str]:
    """The types that occur: the five known ones in their order, then others in the order of the file."""
    names = dict.fromkeys(family.type for family in tasks.families)
    return [name for name in TYPES if name in names] + [name for name in names if name not in TYPES]


def capacity(tasks: Tasks, need: int) -> dict[str, int]:
    """Number of distinct held-out instructions per type, each counted only up to `need`."""
    counts = dict.fromkeys(type_names(tasks), 0)
    for family in tasks.families:
        counts[family.type] += family_capacity(family, tasks.heldout_share, need - counts[family.type])
    return counts
