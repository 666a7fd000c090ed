"""The gates on success and lift, from scored files to the decision, by the shipped criteria."""

import json
from pathlib import Path

import pytest
import yaml

from tests.evaluation_files import scored_rows, write_jsonl
from workflow_scripts import dev_lift, gate, headroom

CONFIGURED = yaml.safe_load(Path("config/config.yaml").read_text())["gates"]
ITEMS = 600


def outcomes(won: int, lost: int, solved: int = 250) -> tuple[list[bool], list[bool]]:
    """Outcomes of a baseline that solves `solved` items and of a candidate that wins and loses some."""
    baseline = [place < solved for place in range(ITEMS)]
    candidate = [lost <= place < solved + won for place in range(ITEMS)]
    return baseline, candidate


def decide(tmp_path, name: str, metrics) -> tuple[int, dict]:
    """The gate's exit status and its file."""
    settings = {"gate": {"name": name, "criteria": CONFIGURED[name], "override": None}}
    decision = tmp_path / "gate.json"
    status = 0
    try:
        gate.main(
            ["--settings", json.dumps(settings), "--metrics", str(metrics), "--decision", str(decision)]
        )
    except SystemExit as end:
        status = end.code
    return status, json.loads(decision.read_text())


def lift_of(tmp_path, won: int, lost: int) -> Path:
    """What dev_lift measures for these wins and losses among 600 items."""
    files = [
        write_jsonl(tmp_path / f"{arm}.jsonl", scored_rows(success))
        for arm, success in zip(("base", "sft"), outcomes(won, lost), strict=True)
    ]
    report = tmp_path / "lift.json"
    dev_lift.main(["--baseline", files[0], "--candidate", files[1], "--report", str(report)])
    return report


@pytest.mark.parametrize(
    ("name", "won", "lost", "outcome"),
    [
        ("sft", 20, 60, "stop"),
        ("sft", 30, 20, "pause"),
        ("sft", 90, 20, "pass"),
        ("dpo", 10, 40, "stop"),
        ("dpo", 20, 20, "pause"),
        ("dpo", 40, 15, "pass"),
    ],
)
def test_a_lift_is_judged_by_its_bounds(tmp_path, capsys, name, won, lost, outcome):
    status, decision = decide(tmp_path, name, lift_of(tmp_path, won, lost))
    assert decision["decision"] == outcome and status == (0 if outcome == "pass" else 1)
    assert decision["value"] == pytest.approx((won - lost) / ITEMS)
    told = capsys.readouterr().err
    assert f"gate {name}: {outcome.upper()}" in told and "n = 600" in told
    if outcome != "pass":
        assert "lift.json" in told and "`make gates` prints how often this gate errs" in told


@pytest.mark.parametrize(("solved", "outcome"), [(560, "stop"), (300, "pass")])
def test_a_base_that_solves_the_tasks_leaves_nothing_to_train_for(tmp_path, capsys, solved, outcome):
    rows = scored_rows([place < solved for place in range(ITEMS)])
    files = [write_jsonl(tmp_path / f"{arm}.jsonl", rows) for arm in ("base", "base_raw")]
    report = tmp_path / "headroom.json"
    headroom.main(["--base", files[0], "--base-raw", files[1], "--report", str(report)])
    status, decision = decide(tmp_path, "headroom", report)
    assert decision["decision"] == outcome and status == (0 if outcome == "pass" else 1)
    assert ("ask for something harder" in capsys.readouterr().err) == (outcome == "stop")
