"""What is written down before the first test response exists, and how a comparison departs from it.

A plan holds all that the answer to the primary question depends on beside the responses themselves, and its
SHA-256 is on record. The first plan stays: one that is made after responses to its test items exist is
appended as an amendment, and whatever differs from the first is a deviation.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json, sha256_text
from workflow_scripts.core.statistics import power
from workflow_scripts.core.statistics.analysis import Analysis

ENDPOINT = "success rate over all test items, candidate minus baseline"
TEST = "McNemar mid-p, two-sided"
LIFTS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)
# A departure in one of these touches the primary endpoint; in any other, the secondary analyses alone.
PRIMARY_FIELDS = ("endpoint", "primary", "test", "alpha", "confidence", "items", "claim", "registered")


def describe_items(item_ids, types, clusters) -> dict:
    """What a plan says of its items: n, n per type, number of clusters, and a digest of all three columns.

    The order of the items does not matter; `clusters` may be None.
    """
    labels = [None] * len(item_ids) if clusters is None else clusters
    rows = sorted(zip(item_ids, types, labels, strict=True))
    counts = {kind: sum(row[1] == kind for row in rows) for kind in sorted({row[1] for row in rows})}
    return {
        "n": len(rows),
        "types": counts,
        "clusters": None if clusters is None else len(set(labels)),
        "sha256": sha256_text(canonical_json([list(row) for row in rows])),
    }


def make_plan(analysis: Analysis, primary: tuple[str, str] | None, comparisons, items: dict) -> dict:
    """The part of a plan that a comparison can be held against, whatever the order of its comparisons."""
    return {
        "endpoint": ENDPOINT,
        "test": TEST,
        "primary": list(primary) if primary else None,
        "comparisons": sorted(list(pair) for pair in comparisons),
        "items": items,
        **asdict(analysis),
    }


def expected_power(plan: dict) -> dict:
    """What the plan can find at its planned discordance: the smallest lift, over all items and per type.

    Connor's formula at the plan's alpha and power; and the power at some lifts, as far as the discordance
    allows them. None for what no number of items of this kind could find.
    """
    discordance, alpha, wanted = plan["planned_discordance"], plan["alpha"], plan["power"]
    n, types = plan["items"]["n"], plan["items"]["types"]
    return {
        "minimum_detectable_effect": power.minimum_detectable_effect(n, discordance, alpha, wanted),
        "minimum_detectable_effect_by_type": {
            kind: power.minimum_detectable_effect(count, discordance, alpha, wanted)
            for kind, count in types.items()
        },
        "power_at": [
            {"lift": lift, "power": power.power(n, discordance, lift, alpha)}
            for lift in LIFTS
            if lift <= discordance
        ],
    }


def sealed(plan: dict, responses_before: list[str]) -> dict:
    """A plan with its digest, its power, and the arms whose responses to its items existed before it."""
    return {
        "plan": plan,
        "sha256": sha256_text(canonical_json(plan)),
        "expected": expected_power(plan),
        "responses_before": responses_before,
    }


def arms_with_responses(folder, item_ids: set[str]) -> list[str]:
    """The arms below a folder of `ARM/responses.parquet` that have answered any of the items, sorted."""
    found = []
    for path in sorted(Path(folder).glob("*/responses.parquet")):
        try:
            answered = pq.read_table(path, columns=["item_id"]).column("item_id").to_pylist()
        except (pa.ArrowException, OSError) as error:
            remedy = f"cannot tell what it answers ({error}): remove it, or make it again"
            raise InputError(file=path, remedy=remedy) from None
        if not item_ids.isdisjoint(answered):
            found.append(path.parent.name)
    return found


def read_registration(path) -> dict:
    """A registration file: {"registered": sealed plan, "amendments": [sealed plan, ...]}.

    InputError when it is none, or when a plan is not the one that its digest was taken of.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        seals = [document["registered"], *document["amendments"]]
        broken = [seal for seal in seals if sha256_text(canonical_json(seal["plan"])) != seal["sha256"]]
    except FileNotFoundError:
        raise InputError(file=path, remedy="this file does not exist: register the plan first") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(file=path, remedy="give the file that preregister wrote") from None
    if broken:
        remedy = "the plan was edited after it was registered: restore the file"
        raise InputError(file=path, field="sha256", value=broken[0]["sha256"], remedy=remedy)
    return document


def register(plan: dict, earlier: dict | None, answered: list[str]) -> dict:
    """The registration file after a plan is made; `answered` are the arms that have answered its items.

    Nothing has been answered: the plan is registered. Otherwise the earlier registration stays and the plan
    is appended, unless it is the latest one already; without an earlier one it is registered late, and says
    so.
    """
    if earlier is None or not answered:
        return {"registered": sealed(plan, answered), "amendments": []}
    latest = [earlier["registered"], *earlier["amendments"]][-1]
    if latest["plan"] == plan:
        return earlier
    return {**earlier, "amendments": [*earlier["amendments"], sealed(plan, answered)]}


def deviations(document: dict, used: dict) -> list[dict]:
    """Where the latest plan or what a comparison `used` departs from the first plan, by field.

    Each is {field, registered, used, primary}; `primary` says whether it touches the primary endpoint. A
    plan that was registered when responses existed is one itself.
    """
    first = document["registered"]
    planned, latest = first["plan"], [first, *document["amendments"]][-1]["plan"]
    now = {**latest, **used}
    found = [
        {"field": field, "registered": planned.get(field), "used": now.get(field)}
        for field in sorted(planned.keys() | now.keys())
        if planned.get(field) != now.get(field)
    ]
    if first["responses_before"]:
        late = f"after responses of {', '.join(first['responses_before'])}"
        found.insert(0, {"field": "registered", "registered": "before the first response", "used": late})
    return [{**entry, "primary": entry["field"] in PRIMARY_FIELDS} for entry in found]


def compared_with(document: dict, used: dict) -> dict:
    """What a comparisons file says of its registration: digest, power, amendments, deviations."""
    found = deviations(document, used)
    return {
        "sha256": document["registered"]["sha256"],
        "amendments": len(document["amendments"]),
        "expected": document["registered"]["expected"],
        "deviations": found,
        "primary_deviations": sum(entry["primary"] for entry in found),
    }
