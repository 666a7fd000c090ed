"""Optional work that is left out when the projection passes the cap, and the record of it.

A decision is kept in `budget/dropped.json` beside the projections. The Snakefile reads it before any rule is
made and takes those DPO variants out of the configuration: all that follows, arms, comparisons, report, is
then that of a configuration without them, and no job has to know what was dropped. A decision holds for the
cap and the price that it was made at; under others the variants are back, and it is made anew.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.outputs import guarded, write_json

RECORD = "dropped.json"  # beside the plan and the projections
PREFIX = "dpo-"  # a variant's stage is named by its arm


def circumstances(budget: dict, dollars_per_hour: float) -> dict:
    """What a decision depends on beside the projection; a decision under others does not count."""
    names = ("cap", "tolerance", "optional")
    return {**{name: budget[name] for name in names}, "dollars_per_hour": dollars_per_hour}


def active(path, under: dict) -> list[dict]:
    """What the record at `path` says is left out under these circumstances: [{"variant", "why", ...}].

    Nothing without a record, or where it was made under others. InputError for a file that is no record.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return content["dropped"] if content["under"] == under else []
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        remedy = "this is no record of dropped work: remove it, and it is decided again"
        raise InputError(file=path, remedy=remedy) from None


def kept(variants: dict, dropped: Sequence[dict]) -> dict:
    """The DPO variants without those that are left out."""
    names = {entry["variant"] for entry in dropped}
    return {name: variant for name, variant in variants.items() if name not in names}


def is_droppable(stage: str, settings: dict) -> bool:
    """Whether a stage is a variant that nothing else is made of."""
    return stage != f"{PREFIX}{settings['sft_longer']['steps_of']}"


def choose(stages: Sequence[dict], total: float, limit: float, settings: dict) -> list[dict]:
    """What has to be left out so that `total` dollars come to `limit`: the first to drop first.

    `stages`: all optional ones, in the order in which they are kept, {"stage", "optional", "dollars"} with
    what each is still expected to cost. All of them, where that is not enough.
    """
    dropped = []
    for stage in reversed(stages):
        if total <= limit:
            break
        if is_droppable(stage["stage"], settings):
            total -= stage["dollars"]
            dropped.append(
                {
                    "variant": stage["stage"].removeprefix(PREFIX),
                    "kind": stage["optional"],
                    "dollars": round(stage["dollars"], 6),
                }
            )
    return dropped


def record(folder, under: dict, dropped: Sequence[dict]) -> None:
    """Keeps what is left out in a folder; with nothing left out there is no record."""
    path = Path(folder) / RECORD
    if not dropped:
        path.unlink(missing_ok=True)
        return
    with guarded(path) as (temporary,):
        write_json(temporary, {"under": under, "dropped": list(dropped)})
