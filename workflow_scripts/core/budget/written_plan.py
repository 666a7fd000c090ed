"""A plan that somebody wrote down: do its lines add up, and which of its GPUs are worth a thought?

YAML: `hours` {"lines": {stage: {low, high}}, "total": {low, high}}, `cap` dollars, `gpus` {id: {"name",
"dollars_per_hour", "memory_gb", "hours": {low, high}}}, `precision` of the weights.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from workflow_scripts.core.budget.pareto import Option, dominated_by
from workflow_scripts.core.budget.projection import check_sum
from workflow_scripts.core.budget.ranges import Range, read_range
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.memory import inference
from workflow_scripts.core.memory.shapes import ModelShape


@dataclass(frozen=True)
class WrittenPlan:
    """The lines and the total as they were written, and the GPUs' own figures."""

    file: str
    lines: dict[str, Range]
    total: Range
    cap: float
    precision: str
    sequence_tokens: int
    gpus: dict[str, dict]

    def check_total(self) -> None:
        """InputError when the lines do not add up to the total."""
        check_sum(list(self.lines.values()), self.total, self.file, "hours.total")


def _number(entry: dict, name: str, file, field: str) -> float:
    value = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
        raise InputError(file=file, field=f"{field}{name}", value=value, remedy="give a number above 0")
    return value


def read_written_plan(path) -> WrittenPlan:
    """The plan in a YAML file. InputError for what is missing or no number; the total is checked apart."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        hours, gpus = content["hours"], content["gpus"]
        lines = {
            name: read_range(value, path, f"hours.lines.{name}") for name, value in hours["lines"].items()
        }
        stated = read_range(hours["total"], path, "hours.total")
        read = {
            name: {
                "name": entry["name"],
                "hours": read_range(entry["hours"], path, f"gpus.{name}.hours"),
                **{
                    key: _number(entry, key, path, f"gpus.{name}.")
                    for key in ("dollars_per_hour", "memory_gb")
                },
            }
            for name, entry in gpus.items()
        }
        precision = str(content["precision"])
    except FileNotFoundError:
        raise InputError(file=path, remedy="this plan does not exist: correct the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(file=path, remedy=f"this is not valid YAML: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        remedy = (
            "give hours (lines, total), gpus (name, hours, dollars_per_hour, memory_gb), cap and precision"
        )
        raise InputError(file=path, field=str(error).strip("'"), remedy=remedy) from None
    cap = _number(content, "cap", path, "")
    tokens = int(_number(content, "sequence_tokens", path, ""))
    return WrittenPlan(str(path), lines, stated, cap, precision, tokens, read)


def judge_gpus(plan: WrittenPlan, shape: ModelShape) -> list[dict]:
    """For each GPU: dollars, who dominates it, whether it passes the cap, whether it holds the model."""
    options = {
        name: Option(gpu["hours"], gpu["hours"] * gpu["dollars_per_hour"]) for name, gpu in plan.gpus.items()
    }
    beaten = dominated_by(options)
    return [
        {
            "gpu": name,
            "name": gpu["name"],
            "hours": gpu["hours"].rounded(2),
            "dollars": options[name].dollars.rounded(2),
            "dominated_by": beaten[name],
            "over_cap": options[name].dollars.high > plan.cap,
            "holds_model": inference.is_feasible(
                shape, plan.precision, plan.sequence_tokens, gpu["memory_gb"] * 1e9
            ),
        }
        for name, gpu in plan.gpus.items()
    ]
