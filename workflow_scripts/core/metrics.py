"""The entries of a metrics file: rates with their intervals, and histograms."""

import math
from collections import Counter
from collections.abc import Iterable

from workflow_scripts.core.statistics.intervals import wilson


def rate(successes: float, n: int, confidence: float = 0.95) -> dict:
    """A proportion as a metric: value, Wilson interval, n. Of nothing it is 0, anywhere between 0 and 1.

    A tie may count as half a success.
    """
    if n == 0:
        return {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}
    low, high = wilson(successes, n, 1 - confidence)
    return {"value": successes / n, "low": float(low), "high": float(high), "n": n}


def histogram(values: Iterable[float], width: float) -> list[dict]:
    """Counts in bins [low, low + width) that start at multiples of `width`; empty bins are left out."""
    counts = Counter(math.floor(value / width) for value in values)
    return [
        {"low": place * width, "high": (place + 1) * width, "count": counts[place]}
        for place in sorted(counts)
    ]
