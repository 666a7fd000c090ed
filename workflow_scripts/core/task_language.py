"""The language of task files: Jinja2 expressions and templates, compiled once into functions of a family.

Everything is evaluated in a sandbox, with undefined names refused. A family becomes a few Jinja2 templates:
one that fills all slots, one per phrasing, and one for the check, the reference and the corruption. Choices
are made by a function `pick(n)` that returns a number below n, so that the same code draws at random and
enumerates.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from workflow_scripts.core import checks

Pick = Callable[[int], int]
NAME = re.compile(r"[a-z][a-z0-9_]*")
SLOT_KINDS = ({"one_of"}, {"sample", "count"}, {"value"}, {"text"})
FAMILY_KEYS = {"name", "type", "weight", "slots", "require", "templates", "check", "reference", "corruption"}
HELPERS = {"choose", "sample", "favourites", "without", "integers", "kept"}
TYPES = ("factual", "list", "transform", "format", "constraint")


@dataclass(frozen=True, slots=True)
class Family:
    """A compiled task family.

    `slots(pick)` fills the slots, or returns None where `require` does not hold; `templates` render an
    instruction from the slots; `outcome(slots, rng)` gives check (dict), reference and corruption;
    `cluster(slots, template number)` names what items that are alike share, their phrasing as a rule.
    """

    name: str
    type: str
    weight: float
    slots: Callable[[Pick], dict | None]
    templates: tuple[Callable[[dict], str], ...]
    outcome: Callable[[dict, random.Random], tuple[dict, str, str]]
    cluster: Callable[[dict, int], str]


class Fault(Exception):
    """What is wrong in a task file: the field and the remedy; the reader of the file adds its name."""

    def __init__(self, field: str, remedy: str):
        self.field, self.remedy = field, remedy
        super().__init__(f"{field}: {remedy}")


def without(items, excluded) -> list:
    """The items that are not in `excluded`, in their order."""
    return [item for item in items if item not in excluded]


def integers(first: int, last: int) -> list[int]:
    """The whole numbers from `first` to `last`, both included."""
    return list(range(first, last + 1))


def favourites(rng: random.Random) -> Callable[[list, list], list]:
    """A function of (pools, counts): `counts[i]` different items of `pools[i]`, rank r with weight 1 / r."""

    def draw(pools, counts) -> list:
        picked = []
        for pool, count in zip(pools, counts, strict=True):
            remaining = list(pool)
            weights = [1 / rank for rank in range(1, len(remaining) + 1)]
            for _ in range(count):
                (place,) = rng.choices(range(len(remaining)), weights)
                picked.append(remaining.pop(place))
                del weights[place]
        return picked

    return draw


def choosers(pick: Pick) -> dict[str, Callable]:
    """`choose(items)`: one element. `sample(items, count)`: that many different ones, in any order."""

    def choose(items):
        return items[pick(len(items))]

    def sample(items, count) -> list:
        remaining = list(items)
        return [remaining.pop(pick(len(remaining))) for _ in range(count)]

    return {"choose": choose, "sample": sample}


def every_choice(evaluate: Callable[[Pick], Any]) -> Iterator[Any]:
    """The results of `evaluate(pick)` for every sequence of picks, lazily, the last pick changing first."""
    script: list[int] = []
    while True:
        sizes: list[int] = []

        def pick(size: int, sizes=sizes) -> int:
            if len(sizes) == len(script):
                script.append(0)
            sizes.append(size)
            return script[len(sizes) - 1]

        yield evaluate(pick)
        while script and script[-1] + 1 == sizes[len(script) - 1]:
            script.pop()
        if not script:
            return
        script[-1] += 1


# ---- compiling


ENVIRONMENT = SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
ENVIRONMENT.globals.clear()  # everything comes as a variable


def _source(value: Any) -> str:
    """An expression as Jinja2 source; what is no string in the file is taken as it is."""
    return f"({value})" if isinstance(value, str) else repr(value)


def _assignment(name: str, slot: dict) -> str:
    if "text" in slot:
        return f"{{% set {name} %}}{slot['text']}{{% endset %}}"
    if "one_of" in slot:
        expression = f"choose({_source(slot['one_of'])})"
    elif "sample" in slot:
        expression = f"sample({_source(slot['sample'])}, {_source(slot['count'])})"
    else:
        expression = _source(slot["value"])
    return f"{{% set {name} = {expression} %}}"


def _compile(parts: dict[str, str]) -> jinja2.Template:
    """One template from {field of the file: source}; a syntax error is a Fault that names the field."""
    for field, source in parts.items():
        try:
            ENVIRONMENT.parse(source)
        except jinja2.TemplateSyntaxError as error:
            raise Fault(field, f"is no valid Jinja2: {error.message}") from None
    return ENVIRONMENT.from_string("".join(parts.values()))


def _check_shape(entry: dict, lexicon: dict) -> None:
    unknown = sorted(entry.keys() - FAMILY_KEYS)
    if unknown:
        raise Fault(", ".join(unknown), f"is no key of a family; known: {', '.join(sorted(FAMILY_KEYS))}")
    missing = sorted(FAMILY_KEYS - {"weight", "require"} - entry.keys())
    if missing:
        raise Fault(", ".join(missing), "is missing")
    if entry["type"] not in TYPES:
        raise Fault("type", f"must be one of {', '.join(TYPES)}")
    if not isinstance(entry["templates"], list) or not entry["templates"]:
        raise Fault("templates", "must be a list of at least one text")
    if not isinstance(entry["check"], dict) or entry["check"].get("kind") not in checks.CHECKS:
        raise Fault("check.kind", f"must be one of {', '.join(checks.CHECKS)}")
    if not isinstance(entry["slots"], dict):
        raise Fault("slots", "must be {name: slot}")
    weight = entry.get("weight", 1)
    if not isinstance(weight, int | float) or weight <= 0:
        raise Fault("weight", "must be a number above 0")
    for name, slot in entry["slots"].items():
        if not NAME.fullmatch(name) or name in lexicon.keys() | HELPERS:
            raise Fault(f"slots.{name}", "give it another name: lower case, used nowhere else")
        if not isinstance(slot, dict) or set(slot) not in SLOT_KINDS:
            raise Fault(f"slots.{name}", "must be {one_of}, {sample, count}, {value} or {text}")


def compile_family(entry: dict, lexicon: dict) -> Family:
    """Compile one family of a task file; a Fault names the field that is wrong."""
    _check_shape(entry, lexicon)
    base = {**lexicon, "without": without, "integers": integers}
    names = list(entry["slots"])
    filling = {f"slots.{name}": _assignment(name, slot) for name, slot in entry["slots"].items()}
    filling["require"] = f"{{% set kept = {_source(entry.get('require', True))} %}}"
    fill = _compile(filling)
    texts = {f"templates[{number}]": text for number, text in enumerate(entry["templates"])}
    phrasings = [_compile({field: text}) for field, text in texts.items()]
    kind = entry["check"]["kind"]
    arguments = {name: value for name, value in entry["check"].items() if name != "kind"}
    values = {f"check.{name}": value for name, value in arguments.items()}
    values |= {"reference": entry["reference"], "corruption": entry["corruption"]}
    finish = _compile(
        {name: f"{{% set {name.replace('.', '_')} = {_source(value)} %}}" for name, value in values.items()}
    )

    def slots(pick: Pick) -> dict | None:
        module = fill.make_module({**base, **choosers(pick)}, shared=True)
        return {name: getattr(module, name) for name in names} if module.kept else None

    def phrase(template: jinja2.Template) -> Callable[[dict], str]:
        return lambda filled: str(template.make_module({**base, **filled}, shared=True))

    def outcome(filled: dict, rng: random.Random) -> tuple[dict, str, str]:
        variables = {**base, **filled, **choosers(rng.randrange), "favourites": favourites(rng)}
        module = finish.make_module(variables, shared=True)
        check = {"kind": kind, **{name: getattr(module, f"check_{name}") for name in arguments}}
        return check, module.reference, module.corruption

    return Family(
        entry["name"],
        entry["type"],
        float(entry.get("weight", 1)),
        slots,
        tuple(phrase(template) for template in phrasings),
        outcome,
        lambda filled, template: f"{entry['name']}/{template}",
    )
