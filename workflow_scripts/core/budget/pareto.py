"""Which ways to run a plan are worth a thought: none is better both in cost and in time."""

from collections.abc import Mapping
from dataclasses import dataclass

from workflow_scripts.core.budget.ranges import Range


@dataclass(frozen=True)
class Option:
    """Hours and dollars of a whole plan on one GPU."""

    hours: Range
    dollars: Range


def dominates(option: Option, other: Option) -> bool:
    """Whether an option is no worse in hours and in dollars, and better in one, at the upper bounds."""
    no_worse = option.hours.high <= other.hours.high and option.dollars.high <= other.dollars.high
    better = option.hours.high < other.hours.high or option.dollars.high < other.dollars.high
    return no_worse and better


def dominated_by(options: Mapping[str, Option]) -> dict[str, list[str]]:
    """For each option, the names of those that dominate it; none of them is on the front otherwise."""
    return {
        name: sorted(other for other, better in options.items() if dominates(better, option))
        for name, option in options.items()
    }
