"""What a budget buys: how far the run goes, on how much data, with how many test items, on which GPU."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from workflow_scripts.core.budget.catalogue import Gpu
from workflow_scripts.core.budget.planner import Planner
from workflow_scripts.core.budget.projection import StageCost, totals
from workflow_scripts.core.budget.ranges import Range
from workflow_scripts.core.budget.tables import amount
from workflow_scripts.core.budget.work import BASELINE, CORE, LEVELS, WITH_SFT
from workflow_scripts.core.statistics.intervals import wilson
from workflow_scripts.core.statistics.power import minimum_detectable_effect

RATES = (0.5, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Choice:
    """One way to spend money. `share` is that of the configured shards."""

    gpu: Gpu
    level: int
    share: float
    test_items: int
    costs: tuple[StageCost, ...]

    @property
    def ablations(self) -> list[str]:
        """Names of the optional stages."""
        return [cost.stage for cost in self.costs if cost.optional]

    @property
    def dollars(self) -> Range:
        """Of all stages."""
        return totals(self.costs)["dollars"]

    def worth(self, planned_items: int) -> tuple:
        """What is wanted, most first: the whole loop, planned test items, data, ablations, more items.

        Of equal ones the cheapest at the upper bound.
        """
        return (
            self.level,
            min(self.test_items, planned_items),
            self.share,
            len(self.ablations),
            self.test_items,
            -self.dollars.high,
        )


def half_widths(n: int, alpha: float = 0.05) -> dict[str, float]:
    """Half the width of Wilson's 95 % interval for one arm with n items, by the rate it would have."""
    widths = {}
    for rate in RATES:
        low, high = wilson(round(rate * n), n, alpha)
        widths[f"{rate:g}"] = round((high - low) / 2, 5)
    return widths


def detectable_lift(n: int, discordance: float, alpha: float, power: float) -> float | None:
    """The smallest paired lift that n items find (Connor 1987); None when they cannot find any."""
    effect = minimum_detectable_effect(n, discordance, alpha, power)
    return None if effect is None else round(effect, 5)


def resized(settings: dict, share: float, test_items: int) -> dict:
    """The configuration with a share of its shards, at least one, and another number of test items."""
    changed = copy.deepcopy(settings)
    changed["generation"]["shards"] = max(1, round(settings["generation"]["shards"] * share))
    changed["test_set"]["sizes"]["test"] = test_items
    return changed


def choices(planner: Planner, gpus: Sequence[Gpu]) -> list[Choice]:
    """All ways on the given GPUs; without SFT the data is no matter, without DPO there is no ablation."""
    grid = planner.budget.frontier
    found = []
    for gpu, level, items in product(gpus, (BASELINE, WITH_SFT, CORE), grid["test_items"]):
        for share in grid["data_shares"] if level > BASELINE else [min(grid["data_shares"])]:
            works = planner.works(resized(planner.settings, share, items), level)
            costs = planner.costs(gpu, works)
            core = sum(cost.optional is None for cost in costs)
            for kept in range(core, len(costs) + 1):
                found.append(Choice(gpu, level, share, items, tuple(costs[:kept])))
    return found


def best_choice(found: Sequence[Choice], budget: float, planned_items: int) -> Choice | None:
    """The most wanted choice whose upper bound is within the budget; None when nothing is."""
    affordable = [choice for choice in found if choice.dollars.high <= budget]
    return max(affordable, key=lambda choice: choice.worth(planned_items), default=None)


def _why(chosen: Choice, found: Sequence[Choice], budget: float) -> str:
    """Why this GPU: how it compares with the others that could do the same."""
    same = [
        choice
        for choice in found
        if (choice.level, choice.share, choice.test_items, choice.ablations)
        == (chosen.level, chosen.share, chosen.test_items, chosen.ablations)
        and choice.gpu is not chosen.gpu
    ]
    if not same:
        return f"{chosen.gpu.name} is the only GPU that holds the model"
    words = [f"{choice.gpu.name} up to ${amount(choice.dollars.high)}" for choice in same]
    return f"cheapest for the same work, up to ${amount(chosen.dollars.high)}; {', '.join(words)}"


def row(budget: float, chosen: Choice | None, found: Sequence[Choice], planner: Planner) -> dict:
    """One line of the frontier for a result file."""
    if chosen is None:
        return {"budget": budget, "affordable": False}
    spent = totals(chosen.costs)
    settings = resized(planner.settings, chosen.share, chosen.test_items)
    grid, alpha = planner.budget.frontier, planner.settings["statistics"]["alpha"]
    is_compared = chosen.level > BASELINE
    lift = detectable_lift(chosen.test_items, grid["discordance"], alpha, grid["power"])
    return {
        "budget": budget,
        "affordable": True,
        "gpu": chosen.gpu.id,
        "gpu_name": chosen.gpu.name,
        "why": _why(chosen, found, budget),
        "reach": LEVELS[chosen.level],
        "stages": [cost.stage for cost in chosen.costs if not cost.optional],
        "ablations": chosen.ablations,
        "test_items": chosen.test_items,
        "records": settings["generation"]["shards"] * settings["generation"]["shard_size"] * is_compared,
        "data_share": chosen.share * is_compared,
        "hours": spent["hours"].rounded(),
        "dollars": spent["dollars"].rounded(),
        "half_width": half_widths(chosen.test_items, 1 - planner.settings["statistics"]["confidence"]),
        "detectable_lift": lift if is_compared else None,
    }


def frontier(planner: Planner, gpus: Sequence[Gpu]) -> list[dict]:
    """One line for each budget of the grid, on the GPUs that hold the model."""
    found = choices(planner, gpus)
    planned = planner.settings["test_set"]["sizes"]["test"]
    rows = []
    for budget in planner.budget.frontier["budgets"]:
        rows.append(row(budget, best_choice(found, budget, planned), found, planner))
    return rows
