"""How the outcomes of two runs differ: every arm of both, paired by item where the items are the same."""

from pathlib import Path

from workflow_scripts.core.evaluation.scored_arms import ScoredArm, read_scored_arm
from workflow_scripts.core.evaluation.settings import analysis_of, read_settings
from workflow_scripts.core.hashing import canonical_json
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.run_diff import Side, changed
from workflow_scripts.core.statistics.analysis import OVERALL
from workflow_scripts.core.statistics.comparisons import adjust, compare_pair


def arms_of(side: Side) -> dict[str, ScoredArm]:
    """The scored arms of a run."""
    paths = sorted(side.results.glob("evaluation/*/scores.parquet"))
    return {path.parent.name: read_scored_arm(path) for path in paths}


def _same_items(a: ScoredArm, b: ScoredArm) -> bool:
    return a.item_ids.tolist() == b.item_ids.tolist() and a.types.tolist() == b.types.tolist()


def arm_row(name: str, a: ScoredArm, b: ScoredArm) -> dict:
    """Items and success of one arm in both runs."""
    common = len(set(a.item_ids.tolist()) & set(b.item_ids.tolist()))
    return {
        "arm": name,
        "a": {"n": len(a.success), "success": float(a.success.mean())},
        "b": {"n": len(b.success), "success": float(b.success.mean())},
        "common_items": common,
        "same_items": _same_items(a, b),
    }


def gate_decisions(results: Path) -> dict[str, str]:
    """{gate: decision} of every gate's file."""
    found = {}
    for path in sorted(results.glob("gates/*.json")):
        content = read_json(path)
        if "decision" in content:
            found[path.stem] = content["decision"]
    return found


def outcome_difference(a: Side, b: Side) -> dict | None:
    """Arms, paired tests (baseline A, candidate B) as `compare` makes them, and gates; None for sessions.

    The tests over the arms are adjusted together, by the method that A's configuration names.
    """
    if a.results is None or b.results is None:
        return None
    arms = [arms_of(side) for side in (a, b)]
    shared = [name for name in arms[0] if name in arms[1]]
    rows = [arm_row(name, arms[0][name], arms[1][name]) for name in shared]
    statistics = a.config.get("statistics", {})
    analysis = analysis_of(read_settings(canonical_json({"statistics": statistics})))
    entries = []
    for row in rows:
        first, second = (side[row["arm"]] for side in arms)
        if row["same_items"]:
            names = (f"{row['arm']} (A)", f"{row['arm']} (B)")
            pair = compare_pair(names, first.success, second.success, first.types, first.clusters, analysis)
            row["comparison"] = next(entry for entry in pair if entry["scope"] == OVERALL)
            entries.append(row["comparison"])
    adjust(entries, None, analysis)
    gates = changed(gate_decisions(a.results), gate_decisions(b.results), "gate")
    return {"arms": rows, "gates": gates, "confidence": analysis.confidence}


def is_same(outcome: dict | None) -> bool:
    """Whether every item of every arm came out the same, and every gate."""
    if outcome is None:
        return True
    discordant = [
        not row["same_items"] or row["comparison"]["only_baseline"] + row["comparison"]["only_candidate"]
        for row in outcome["arms"]
    ]
    return not any(discordant) and not outcome["gates"]
