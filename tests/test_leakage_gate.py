"""The leakage gate of the configuration: each of its criteria stops a training set that it is there for."""

import json

import pytest
import yaml

from tests.test_decontamination import FRESH, SETS, Workspace, injected, records_of
from workflow_scripts import deduplicate, gate

CONFIG = yaml.safe_load(open("config/config.yaml", encoding="utf-8"))
CRITERIA = CONFIG["gates"]["leakage"]
SETTINGS = CONFIG["deduplication"]
KEPT = ("exact", "near", "coverage")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture
def nothing_is_removed(monkeypatch):
    monkeypatch.setattr(deduplicate.selection, "select", lambda records, *_: (list(range(len(records))), []))


def judge(workspace: Workspace, instructions: list[str]) -> dict:
    """The gate's decision on a training set made of these instructions."""
    workspace.run(records_of(instructions), SETTINGS)
    settings = {"gate": {"name": "leakage", "criteria": CRITERIA, "override": None}}
    files = ["--metrics", str(workspace.root / "overlap.json")]
    files += ["--decision", str(workspace.root / "gate.json")]
    gate.main(["--settings", json.dumps(settings), *files, "--record-only"])
    return json.loads((workspace.root / "gate.json").read_text())


def missed(decision: dict) -> set[str]:
    return {criterion["metric"] for criterion in decision["criteria"] if criterion["decision"] != "pass"}


def test_the_gate_asks_for_every_set_and_method():
    expected = {f"{method}_{name}" for method in KEPT for name in SETS}
    assert set(CRITERIA) == expected | {"duplicates", "near_duplicates"}
    assert SETTINGS["skeletons"]["heldout"] == "report"  # or the skeletons belong here


def test_what_was_cleaned_passes(workspace):
    leaks = [text for name in SETS for text in injected(workspace.held_out(name)).values()]
    decision = judge(workspace, [*FRESH, *leaks, *leaks])
    assert decision["decision"] == "pass" and missed(decision) == set()


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("method", KEPT)
def test_a_held_out_text_stops(workspace, nothing_is_removed, name, method):
    decision = judge(workspace, [*FRESH, injected(workspace.held_out(name))[method]])
    assert decision["decision"] == "stop"
    assert f"{method}_{name}" in missed(decision)
    assert all(metric.endswith(name) for metric in missed(decision))


@pytest.mark.parametrize(("method", "metric"), [("exact", "duplicates"), ("near", "near_duplicates")])
def test_a_duplicate_within_the_data_stops(workspace, nothing_is_removed, method, metric):
    text = "Think about all the ways in which a river could be crossed by night: boat, rope, log."
    decision = judge(workspace, [text, *FRESH, injected(text)[method]])
    assert decision["decision"] == "stop" and missed(decision) == {metric}
