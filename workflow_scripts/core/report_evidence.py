"""The rows of the report's tables about how far the answer holds: registration, audit, error rates."""

from collections.abc import Sequence

from workflow_scripts.core.hashing import canonical_json
from workflow_scripts.core.statistics.analysis import OVERALL


def bounded(name: str, metric: dict | None) -> dict:
    """A metric {"value", "low"?, "high"?} as the columns `name`, `name`_low and `name`_high."""
    metric = metric or {}
    return {name: metric.get("value"), f"{name}_low": metric.get("low"), f"{name}_high": metric.get("high")}


def flat(value, name: str = "") -> list[tuple[str, object]]:
    """(path, value) of every part of an object that is no object itself; names are joined by dots."""
    if not isinstance(value, dict):
        return [(name, value)]
    return [part for key, inside in value.items() for part in flat(inside, f"{name}.{key}" if name else key)]


def _text(value) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def registration_rows(registration: dict) -> list[dict]:
    """The registered plan, a row for each of its fields, after its digest. Criteria are one field each."""
    plan = registration["registered"]["plan"]
    rows = [{"field": "sha256", "value": registration["registered"]["sha256"]}]
    for field, value in plan.items():
        inside = value if field in ("claim", "items", "adjustment") else {"": value}
        rows += [
            {"field": f"{field} {name}".strip(), "value": _text(part)}
            for name, part in inside.items()
            if part is not None
        ]
    return rows


def amendment_rows(registration: dict) -> list[dict]:
    """Later plans, and a first one that came late: digest, and the arms that had answered by then."""
    seals = [registration["registered"], *registration["amendments"]]
    return [
        {"sha256": seal["sha256"], "answered": ", ".join(seal["responses_before"])}
        for seal in seals
        if seal["responses_before"]
    ]


def deviation_rows(document: dict) -> list[dict]:
    """Where a comparisons file departs from its registration."""
    found = document.get("registration", {}).get("deviations", [])
    return [
        {
            "field": row["field"],
            "registered": _text(row["registered"]),
            "used": _text(row["used"]),
            "primary": row["primary"],
        }
        for row in found
    ]


def detectable_rows(registration: dict, document: dict, primary: dict) -> list[dict]:
    """The smallest detectable difference of the primary arms: as planned, as observed, and by clusters."""
    expected = registration["registered"]["expected"]
    planned = {
        OVERALL: expected["minimum_detectable_effect"],
        **expected["minimum_detectable_effect_by_type"],
    }
    return [
        {
            "scope": entry["scope"],
            "n": entry["n"],
            "planned": planned.get(entry["scope"]),
            "observed": entry["minimum_detectable_effect"],
            "clustered": (entry.get("clusters") or {}).get("minimum_detectable_effect"),
        }
        for entry in document["comparisons"]
        if (entry["baseline"], entry["candidate"]) == (primary["baseline"], primary["candidate"])
    ]


def planned_power_rows(registration: dict) -> list[dict]:
    """The power that was planned, at some true differences."""
    return registration["registered"]["expected"]["power_at"]


def error_rate_rows(report: dict) -> list[dict]:
    """How each gate on a lift decides at given true lifts."""
    return [{"gate": gate, **row} for gate, found in report["gates"].items() for row in found["rows"]]


def repeat_rows(audit: dict) -> list[dict]:
    """Each arm answered again: what changed and what flipped."""
    return [
        {
            **{name: entry[name] for name in ("arm", "way", "n", "lost", "gained")},
            **bounded("changed", entry["changed"]),
            **bounded("flips", entry["flips"]),
        }
        for entry in audit["repeats"] or []
    ]


def length_type_rows(audit: dict, arms: Sequence[str]) -> list[dict]:
    """The AUC of length for success, by arm and type."""
    return [
        {"arm": arm, "type": kind, "n": found["n"], **bounded("auc", found)}
        for arm in arms
        for kind, found in audit["arms"][arm]["length"]["auc_by_type"].items()
    ]


def influence_rows(audit: dict) -> list[dict]:
    """What each cluster and each type carries of the primary lift; the one that carries most is first."""
    rows = []
    for by, name in (("cluster", "clusters"), ("type", "types")):
        for entry in audit["influence"][name]:
            row = {"by": by, **{key: entry[key] for key in ("group", "n", "lift", "share")}}
            rows.append(row | bounded("without", entry["without"]) | {"others": entry["without"]["n"]})
    return rows


def failure_rows(audit: dict, arms: Sequence[str]) -> list[dict]:
    """Examples of each reason of failure in each arm, the commonest reason first."""
    return [
        {
            "arm": arm,
            **{name: found[name] for name in ("reason", "count", "share")},
            **{name: example[name] for name in ("item_id", "instruction", "response", "characters")},
        }
        for arm in arms
        for found in audit["arms"][arm]["failure_reasons"]
        for example in found["examples"]
    ]


def label_rows(audit: dict) -> list[dict]:
    """How far scorer and people agree: over both arms of the claim, then for each. None without labels."""
    labels = audit["human_labels"]
    if labels is None:
        return []
    kappa = audit["metrics"]["label_kappa"]
    rows = [{"arm": "both", "n": kappa["n"], **labels["confusion"], **bounded("kappa", kappa)}]
    for arm, found in labels["arms"].items():
        corrected = {name: found[name] for name in ("success_by_people", "success_variance")}
        agreement = {"n": found["kappa"]["n"], **found["confusion"], **bounded("kappa", found["kappa"])}
        rows.append({"arm": arm, **agreement, **corrected})
    return rows


def disagreement_rows(audit: dict) -> list[dict]:
    """Answers that people judge otherwise than the scorer."""
    names = ("item_id", "instruction", "response", "success", "reason")
    return [
        {"arm": arm, **{name: example[name] for name in names}}
        for arm, found in (audit["human_labels"] or {"arms": {}})["arms"].items()
        for example in found["disagreements"]
    ]


def evaluation_tables(
    audit: dict, document: dict, registration: dict, error_rates: dict, primary: dict
) -> dict[str, list[dict]]:
    """Every table of this module, from parsed files; `primary` is {"baseline", "candidate"}."""
    arms = list(document["arms"])
    return {
        "registration": registration_rows(registration),
        "amendments": amendment_rows(registration),
        "deviations": deviation_rows(document),
        "detectable": detectable_rows(registration, document, primary),
        "planned_power": planned_power_rows(registration),
        "error_rates": error_rate_rows(error_rates),
        "repeats": repeat_rows(audit),
        "length_by_type": length_type_rows(audit, arms),
        "influence": influence_rows(audit),
        "failures": failure_rows(audit, arms),
        "labels": label_rows(audit),
        "label_disagreements": disagreement_rows(audit),
    }
