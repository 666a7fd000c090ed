"""DPO variants: completed from one that they are like, and what each varies against the main one."""

from collections.abc import Iterator

from workflow_scripts.core.errors import InputError

MAIN, PAIR_SETS, HYPERPARAMETERS, SEEDS = "main", "pair_sets", "hyperparameters", "seeds"


def merged(base: dict, changes: dict) -> dict:
    """`base` with `changes` on top, mappings within mappings merged in the same way."""
    both = dict(base)
    for name, value in changes.items():
        nested = isinstance(value, dict) and isinstance(base.get(name), dict)
        both[name] = merged(base[name], value) if nested else value
    return both


def completed(variants: dict) -> dict:
    """Every variant in full: one with `like: NAME` is that variant but for the keys that it has itself.

    What is no mapping is left for the schema to refuse. InputError where the named variant does not exist, or
    is itself like another.
    """
    stated = {name: variant for name, variant in variants.items() if isinstance(variant, dict)}
    whole = [name for name, variant in stated.items() if "like" not in variant]
    full = dict(variants)
    for name in stated.keys() - whole:
        variant, model = stated[name], stated[name]["like"]
        if model not in whole:
            remedy = f"name a variant that states all its keys: {', '.join(whole) or 'there is none'}"
            raise InputError(file="config", field=f"dpo.variants.{name}.like", value=model, remedy=remedy)
        full[name] = merged(variants[model], {key: value for key, value in variant.items() if key != "like"})
    return full


def _leaves(settings: dict, path: str = "") -> Iterator[tuple[str, object]]:
    """(dotted name, value) of every setting."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def varied(main: dict, variant: dict) -> list[dict]:
    """The settings in which a variant differs from the main one: [{field, main, variant}], by field.

    None stands for a setting that one of the two does not have.
    """
    first, second = dict(_leaves(main)), dict(_leaves(variant))
    return [
        {"field": field, "main": first.get(field), "variant": second.get(field)}
        for field in sorted(first.keys() | second.keys())
        if first.get(field) != second.get(field)
    ]


def kind(main: dict, variant: dict) -> str:
    """What a variant is for: the main one itself, another pair set, another seed alone, or anything else."""
    fields = {entry["field"] for entry in varied(main, variant)}
    if not fields:
        return MAIN
    if "pair_set" in fields:
        return PAIR_SETS
    return SEEDS if fields == {"seed"} else HYPERPARAMETERS
