"""p-values adjusted for being several."""

import numpy as np
from scipy.stats import false_discovery_control


def benjamini_hochberg(p_values: list[float]) -> list[float]:
    """Adjusted p-values, same order, that control the false discovery rate (Benjamini & Hochberg 1995)."""
    return [float(p) for p in false_discovery_control(p_values, method="bh")] if p_values else []


def holm(p_values: list[float]) -> list[float]:
    """Adjusted p-values, same order, that control the family-wise error rate (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * np.asarray(p_values)[order]))
    return adjusted.tolist()


METHODS = {"holm": holm, "bh": benjamini_hochberg}
