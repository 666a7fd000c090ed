"""A quantity that is known between two bounds, and the arithmetic of plans on it."""

from dataclasses import dataclass
from functools import reduce
from math import isfinite, sqrt
from operator import add

from workflow_scripts.core.errors import InputError


@dataclass(frozen=True)
class Range:
    """Low and high bound, 0 <= low <= high. Bounds of sums and products are those of the worst cases."""

    low: float
    high: float

    def __add__(self, other: "Range") -> "Range":
        return Range(self.low + other.low, self.high + other.high)

    def __mul__(self, other: "Range | float") -> "Range":
        factor = other if isinstance(other, Range) else Range(other, other)
        return Range(self.low * factor.low, self.high * factor.high)

    def __truediv__(self, rate: "Range | float") -> "Range":
        """At the highest rate the low bound, at the lowest the high one."""
        divisor = rate if isinstance(rate, Range) else Range(rate, rate)
        return Range(self.low / divisor.high, self.high / divisor.low)

    def at_most(self, limit: float | None) -> "Range":
        """Both bounds, neither above the limit; None is no limit."""
        return self if limit is None else Range(min(self.low, limit), min(self.high, limit))

    @property
    def middle(self) -> float:
        """The geometric mean: bounds of rates and times are factors apart."""
        return sqrt(self.low * self.high)

    def rounded(self, digits: int = 6) -> dict:
        """{"low", "high"} for a result file."""
        return {"low": round(self.low, digits), "high": round(self.high, digits)}


NOTHING = Range(0.0, 0.0)


def total(ranges) -> Range:
    """The sum of many."""
    return reduce(add, ranges, NOTHING)


def exactly(value: float) -> Range:
    """A quantity without doubt."""
    return Range(value, value)


def read_range(value, file, field: str, *, above_zero: bool = True) -> Range:
    """A range from {"low", "high"}. InputError for anything else, no number, or low above high."""
    remedy = "give low and high, two numbers" + (" above 0" if above_zero else " of 0 or more")
    bounds = [value.get(name) for name in ("low", "high")] if isinstance(value, dict) else [None]
    for bound in bounds:
        is_number = isinstance(bound, (int, float)) and not isinstance(bound, bool)
        if not is_number or not isfinite(bound) or bound < 0 or (above_zero and bound == 0):
            raise InputError(file=file, field=field, value=value, remedy=remedy)
    if bounds[0] > bounds[1]:
        raise InputError(file=file, field=field, value=value, remedy="low is above high: exchange them")
    return Range(float(bounds[0]), float(bounds[1]))
