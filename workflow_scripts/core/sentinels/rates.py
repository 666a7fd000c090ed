"""How often the signs of an assistant show, and whether that is how these weights are known to behave."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.metrics import rate
from workflow_scripts.core.sentinels.battery import KINDS
from workflow_scripts.core.sentinels.observation import PROBABILITIES, SIGNS
from workflow_scripts.core.statistics.mcnemar import exact_p
from workflow_scripts.core.statistics.multiplicity import holm


def sign_rates(outcomes: Sequence[dict]) -> dict[str, dict]:
    """The rate of each sign over the sentinels, with its Wilson interval."""
    return {f"{sign}_rate": rate(sum(row[sign] for row in outcomes), len(outcomes)) for sign in SIGNS}


def mean_probability(outcomes: Sequence[dict], name: str) -> dict:
    """Mean over the sentinels whose answer ended, and their number; 0 when there is none."""
    values = [row[name] for row in outcomes if row[name] is not None]
    return {"value": float(np.mean(values)) if values else 0.0, "n": len(values)}


def read_recorded(path: str | Path, battery_sha256: str, weights_sha256: str) -> list[dict]:
    """The outcomes on record for these weights and this battery. InputError for a record of others."""
    try:
        recorded = json.loads(Path(path).read_text(encoding="utf-8"))
        digests = {name: recorded[name] for name in ("weights_sha256", "battery_sha256")}
        outcomes = recorded["outcomes"]
    except (OSError, ValueError, KeyError, TypeError):
        remedy = "give a file that workflow_scripts.sentinels wrote, or null in base_model.recorded_rates"
        raise InputError(file=path, field="outcomes", remedy=remedy) from None
    for name, asked, what in (
        ("weights_sha256", weights_sha256, "the weights of this base are others"),
        ("battery_sha256", battery_sha256, "the sentinels or their prompt are others now"),
    ):
        if digests[name] != asked:
            remedy = (
                f"{what} ({asked}): if that is meant, record the rates anew, or write null into"
                " base_model.recorded_rates; else find out why"
            )
            raise InputError(file=path, field=name, value=digests[name], remedy=remedy)
    return outcomes


def deviations(outcomes: Sequence[dict], recorded: Sequence[dict]) -> dict[str, dict]:
    """Each sign and probability against the record: {name: {recorded, measured, p, adjusted_p}}.

    Two-sided tests of pairs: McNemar's exact test for signs, Wilcoxon's signed ranks (Pratt's zeros) for
    probabilities. Adjusted for their number by Holm's method.
    """
    known = {row["id"]: row for row in recorded}
    pairs = [(known[row["id"]], row) for row in outcomes]
    found = {}
    for sign in SIGNS:
        lost = sum(before[sign] and not now[sign] for before, now in pairs)
        gained = sum(now[sign] and not before[sign] for before, now in pairs)
        sums = [sum(row[sign] for row in side) / len(pairs) for side in zip(*pairs, strict=True)]
        found[f"{sign}_rate"] = {"recorded": sums[0], "measured": sums[1], "p": exact_p(lost, gained)}
    for name in PROBABILITIES:
        values = [(before[name], now[name]) for before, now in pairs if None not in (before[name], now[name])]
        before, now = np.array(values).reshape(-1, 2).T
        p = float(wilcoxon(before, now, zero_method="pratt").pvalue) if (before != now).any() else 1.0
        means = [float(side.mean()) if len(side) else 0.0 for side in (before, now)]
        found[name] = {"recorded": means[0], "measured": means[1], "p": p}
    for entry, adjusted in zip(found.values(), holm([entry["p"] for entry in found.values()]), strict=True):
        entry["adjusted_p"] = adjusted
    return found


def sentinel_report(
    outcomes: Sequence[dict], recorded: Sequence[dict] | None, chat_ends: dict[str, int]
) -> dict:
    """The metrics file of the battery.

    Metrics: sentinels (their number), the rate of each sign, the mean chat_end_probability and
    eos_probability after an answer, and deviation_p, the smallest adjusted p-value of `deviations` (1, of
    n = 0, when nothing is on record). Beside them: rates by kind, the deviations, and every continuation.
    """
    found = None if recorded is None else deviations(outcomes, recorded)
    smallest = min((entry["adjusted_p"] for entry in found.values()), default=1.0) if found else 1.0
    return {
        "stage": "sentinels",
        "metrics": {
            "sentinels": {"value": float(len(outcomes)), "n": len(outcomes)},
            **sign_rates(outcomes),
            **{name: mean_probability(outcomes, name) for name in PROBABILITIES},
            "deviation_p": {"value": smallest, "n": len(outcomes) if found else 0},
        },
        "rates_by_kind": {
            kind: sign_rates([row for row in outcomes if row["kind"] == kind]) for kind in KINDS
        },
        "chat_end_tokens": sorted(chat_ends),
        "deviations": found,
        "outcomes": list(outcomes),
    }
