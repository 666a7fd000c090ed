"""The rows of the report's tables of DPO variants and of what people did."""

from workflow_scripts.core.hashing import canonical_json
from workflow_scripts.core.report_evidence import bounded


def _text(value) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def tables(overview: dict, automation: dict) -> dict[str, list[dict]]:
    """Rows of every table of these two files."""
    listed = {name: automation[name] for name in ("gate_attempts", "pass_rates", "record_checks")}
    return {"variants": _variant_rows(overview), **listed}


def _variant_rows(overview: dict) -> list[dict]:
    """Rows of `variants` from a file of variants."""
    rows = []
    for variant in overview["variants"]:
        shared = ("arm", "kind", "pair_set", "pairs", "steps", "tokens_seen", "dev_success")
        told = ", ".join(
            f"{entry['field']} {_text(entry['main'])} → {_text(entry['variant'])}"
            for entry in variant["varies"]
        )
        row = {name: variant[name] for name in shared} | bounded("success", variant["success"])
        found = variant["against_main"] or {}
        names = ("mid_p", "adjusted_p", "significant", "minimum_detectable_effect")
        row |= {name: found.get(name) for name in names} | bounded("difference", found.get("difference"))
        row |= {"only_main": found.get("only_baseline"), "only_variant": found.get("only_candidate")}
        rows.append({**row, "varies": told or None})
    return rows
