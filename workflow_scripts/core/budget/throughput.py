"""Throughputs of a model on a GPU: as the catalogue states them, or scaled from what it states.

Scaling (a roofline with the same efficiency on both sides; Williams et al. 2009, CACM 52:65): time grows with
the number of parameters; decoding goes by memory bandwidth, prefill and training by arithmetic. It is silent
about the room for KV cache, which limits the batch, and about kernels that are better tuned on one card.
"""

from dataclasses import dataclass

from workflow_scripts.core.budget.catalogue import Catalogue, Gpu, Rates
from workflow_scripts.core.budget.ranges import Range

KINDS = ("prefill", "decode", "training")
SAME_RATE = 1e-9
SAME_SIZE = 0.02  # models whose sizes differ by less are called the same


@dataclass(frozen=True)
class Throughput:
    """A rate per second and where it is from: `source` catalogue, scaled or measured; `method` in words."""

    per_second: Range
    source: str
    method: str

    def as_dict(self) -> dict:
        """For a result file."""
        bounds = self.per_second.rounded(4)
        return {
            "value": round(self.per_second.middle, 4),
            **bounds,
            "source": self.source,
            "method": self.method,
        }


def scaled(rate: Throughput, ratio: float) -> Throughput:
    """A measured rate carried over to another GPU or model; itself where the ratio is one."""
    if abs(ratio - 1) < SAME_RATE:
        return rate
    method = f"{rate.method}, x {ratio:.3g} (the catalogue's ratio for this mix of work)"
    return Throughput(rate.per_second * ratio, "scaled", method)


def speed_ratio(kind: str, gpu: Gpu, other: Gpu) -> float:
    """How many times faster than `other` a GPU does one kind of work, by bandwidth or by arithmetic."""
    if kind == "decode":
        return gpu.bandwidth_gb_per_s / other.bandwidth_gb_per_s
    return gpu.bf16_tflops / other.bf16_tflops


def _stated(rates: Rates, kind: str, precision: str) -> tuple[Range, str]:
    """The rate of a kind of work, and what has to be said about its precision."""
    if kind == "training":
        return rates.training, ""
    for name in (precision, "bfloat16", "float32"):
        if name in rates.generation:
            note = "" if name == precision else f"; stated for {name}, used for {precision}"
            return rates.generation[name][kind], note
    raise AssertionError("the catalogue was read with bfloat16 or float32")


def throughput_of(kind: str, catalogue: Catalogue, gpu: Gpu, parameters: float, precision: str) -> Throughput:
    """Tokens a second of one kind of work (prefill, decode, training) of a model of that size."""
    origin = gpu if gpu.rates else catalogue.gpu(catalogue.reference)
    rate, note = _stated(origin.rates, kind, precision)
    steps = []
    if origin is not gpu:
        ratio = speed_ratio(kind, gpu, origin)
        rate = rate * ratio
        steps.append(
            f"{origin.name} x {ratio:.3g} ({'bandwidth' if kind == 'decode' else 'bf16 arithmetic'})"
        )
    smaller = origin.rates.parameters / parameters
    if abs(smaller - 1) > SAME_SIZE:
        rate = rate * smaller
        steps.append(f"x {smaller:.3g} (parameters)")
    source = "scaled" if steps else "catalogue"
    method = ("scaled: " + ", ".join(steps) if steps else f"catalogue value of {gpu.name}, unmeasured") + note
    return Throughput(rate, source, method)


def throughputs_of(
    catalogue: Catalogue, gpu: Gpu, parameters: float, precision: str
) -> dict[str, Throughput]:
    """Tokens a second by kind of work."""
    return {kind: throughput_of(kind, catalogue, gpu, parameters, precision) for kind in KINDS}
