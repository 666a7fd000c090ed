"""Gates: three outcomes, overrides, messages, and input that judges nothing."""

import json
from pathlib import Path

import pytest
import yaml

from workflow_scripts import gate
from workflow_scripts.core import gate_messages, gates
from workflow_scripts.core.errors import InputError

CONFIGURED = yaml.safe_load(Path("config/config.yaml").read_text())["gates"]

METRICS = {
    "lift": {"value": 0.08, "low": 0.05, "high": 0.11, "n": 300},
    "runaway_rate": {"value": 0.02},
    "auc": {"value": None, "low": None, "high": None, "n": 9},
}


@pytest.fixture
def metrics_file(tmp_path):
    path = tmp_path / "results" / "pilot" / "qc.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"stage": "pilot", "metrics": METRICS, "examples": ["anything"]}))
    return path


def run(metrics_file, criteria, *flags, override=None):
    """Runs the command; its exit status and the gate file, None when there is none."""
    settings = {"gate": {"name": "pilot", "criteria": criteria, "override": override}}
    decision = metrics_file.parents[1] / "gates" / "pilot.json"
    words = ["--settings", json.dumps(settings), "--metrics", str(metrics_file), "--decision", str(decision)]
    status = 0
    try:
        gate.main([*words, *flags])
    except SystemExit as end:
        status = end.code
    return status, json.loads(decision.read_text()) if decision.exists() else None


@pytest.mark.parametrize(
    ("criterion", "outcome"),
    [
        ({"below": 0.05}, "pass"),
        ({"bound": "value", "at_most": 0.02, "otherwise": "stop"}, "pass"),
        ({"at_least": 0.02}, "pass"),
        ({"below": 0.02}, "stop"),
        ({"above": 0.02, "otherwise": "pause"}, "pause"),
    ],
)
def test_each_comparison(metrics_file, criterion, outcome):
    status, decision = run(metrics_file, {"runaway_rate": criterion})
    assert status == (0 if outcome == "pass" else 1)
    assert decision["decision"] == outcome
    assert decision["proceeds"] == (outcome == "pass")


def test_three_outcomes_from_the_bounds_of_one_lift(metrics_file):
    def outcome(threshold):
        bounds = [
            {"bound": "high", "at_least": threshold, "otherwise": "stop"},
            {"bound": "low", "at_least": threshold, "otherwise": "pause"},
        ]
        return run(metrics_file, {"lift": bounds})[1]["decision"]

    assert [outcome(0.04), outcome(0.10), outcome(0.12)] == ["pass", "pause", "stop"]


def test_the_gate_file_has_what_was_measured_and_asked(metrics_file):
    criteria = {
        "runaway_rate": {"below": 0.05},
        "lift": {"bound": "low", "at_least": 0.1, "otherwise": "pause"},
    }
    _, decision = run(metrics_file, criteria)
    assert decision["gate"] == "pilot"
    assert decision["metric"] == "lift"
    assert decision["value"] == 0.08
    assert decision["interval"] == [0.05, 0.11]
    assert decision["threshold"] == 0.1
    assert decision["rule"] == "lift.low >= 0.1, otherwise pause"
    assert decision["override"] is None
    assert [entry["decision"] for entry in decision["criteria"]] == ["pass", "pause"]
    assert decision["evidence"][0]["file"] == decision["criteria"][0]["file"] == "../pilot/qc.json"
    assert len(decision["evidence"][0]["sha256"]) == 64


def test_stop_outranks_pause(metrics_file):
    criteria = {"lift": {"at_least": 0.5, "otherwise": "pause"}, "runaway_rate": {"below": 0.01}}
    assert run(metrics_file, criteria)[1]["decision"] == "stop"


def test_an_override_goes_on_and_keeps_the_decision(metrics_file, capsys):
    status, decision = run(metrics_file, {"runaway_rate": {"below": 0.01}}, override="a known cause")
    assert status == 0
    assert (decision["decision"], decision["override"], decision["proceeds"]) == (
        "stop",
        "a known cause",
        True,
    )
    assert "OVERRIDDEN, and recorded: a known cause" in capsys.readouterr().err


@pytest.mark.parametrize("override", ["", "  ", True, 3])
def test_an_override_is_a_reason(metrics_file, override, capsys):
    status, decision = run(metrics_file, {"runaway_rate": {"below": 0.01}}, override=override)
    assert (status, decision) == (1, None)
    assert "pilot.override" in capsys.readouterr().err


def test_record_only_never_fails(metrics_file):
    status, decision = run(metrics_file, {"runaway_rate": {"below": 0.01}}, "--record-only")
    assert (status, decision["decision"], decision["proceeds"]) == (0, "stop", False)


def test_what_could_not_be_measured_does_not_pass(metrics_file, capsys):
    for criterion in ({"at_least": 0.0}, {"at_most": 1.0}, {"bound": "low", "above": 0.0}):
        status, decision = run(metrics_file, {"auc": criterion})
        assert (status, decision["decision"]) == (1, "stop")
    assert "not measured" in capsys.readouterr().err


def test_the_message_says_measured_asked_evidence_and_what_to_do(metrics_file, capsys):
    run(metrics_file, {"lift": {"bound": "low", "at_least": 0.1, "otherwise": "pause"}})
    told = capsys.readouterr().err
    for part in ("gate pilot: PAUSE", "measured 0.05", "[0.05, 0.11], n = 300", "asked lift.low >= 0.1"):
        assert part in told
    for part in ("results/pilot/qc.json", "What to do: read the pilot's records", "overrides.pilot"):
        assert part in told


def test_each_outcome_says_in_its_own_words_what_becomes_of_the_run(metrics_file, capsys):
    told = {}
    for outcome, criterion in {
        "pass": {"above": 0},
        "pause": {"above": 1, "otherwise": "pause"},
        "stop": {"above": 1, "otherwise": "stop"},
    }.items():
        run(metrics_file, {"lift": criterion})
        told[outcome] = capsys.readouterr().err.splitlines()[0]
        assert told[outcome] == f"gate pilot: {outcome.upper()}: {gate_messages.CONSEQUENCES[outcome]}"
    run(metrics_file, {"lift": {"above": 1}}, override="a known cause")
    told["overridden"] = capsys.readouterr().err.splitlines()[0]
    assert told["overridden"] == "gate pilot: STOP, but overridden: the run goes on"
    assert len(set(told.values())) == 4


def test_every_gate_has_a_remedy_of_its_own():
    assert gate_messages.REMEDIES.keys() == CONFIGURED.keys()
    assert len(set(gate_messages.REMEDIES.values())) == len(CONFIGURED)


CRITERIA = [
    (name, place)
    for name, criteria in CONFIGURED.items()
    for place in range(len(gates.parse_criteria(name, criteria)))
]


def meeting(criteria) -> float:
    """A number that meets every criterion that is asked of it."""
    least = [one.threshold for one in criteria if one.comparison in ("at_least", "above")]
    most = [one.threshold for one in criteria if one.comparison in ("at_most", "below")]
    if least and most:
        return (max(least) + min(most)) / 2
    return max(least) + 1 if least else min(most) - 1


def missing(criterion) -> float:
    """A number that misses a criterion by as little as can be."""
    return criterion.threshold + {"at_least": -1e-9, "at_most": 1e-9}.get(criterion.comparison, 0.0)


@pytest.mark.parametrize(("name", "place"), CRITERIA, ids=lambda value: str(value))
def test_every_criterion_of_the_configuration_can_end_a_run(tmp_path, capsys, name, place):
    """Everything is as asked, and the gate passes; one number misses its criterion, and it is named."""
    criteria = gates.parse_criteria(name, CONFIGURED[name])
    missed, metrics = criteria[place], {}
    for one in criteria:
        same = [other for other in criteria if (other.metric, other.bound) == (one.metric, one.bound)]
        metrics.setdefault(one.metric, {"value": 0.0})[one.bound] = meeting(same)
    evidence, decision = tmp_path / "evidence.json", tmp_path / "decision.json"
    words = ["--settings", json.dumps({"gate": {"name": name, "criteria": CONFIGURED[name]}})]
    words += ["--metrics", str(evidence), "--decision", str(decision)]
    evidence.write_text(json.dumps({"metrics": metrics}))
    gate.main(words)
    metrics[missed.metric][missed.bound] = missing(missed)
    evidence.write_text(json.dumps({"metrics": metrics}))
    capsys.readouterr()
    with pytest.raises(SystemExit):
        gate.main(words)
    told = capsys.readouterr().err
    assert f"gate {name}: {missed.otherwise.upper()}: " in told
    assert f"asked {missed}; see {evidence}" in told
    assert gate_messages.remedy(name) in told
    judged = json.loads(decision.read_text())["criteria"]
    assert judged[place]["decision"] == missed.otherwise


@pytest.mark.parametrize(
    ("criteria", "named"),
    [
        ({}, "pilot.criteria"),
        ({"lifts": {"above": 0}}, "lifts: no metrics file has it: ask for one of auc, lift, runaway_rate"),
        ({"runaway_rate": {"bound": "high", "below": 1}}, "no high bound"),
        ({"lift": {"bound": "middle", "above": 0}}, "lift.bound = 'middle'"),
        ({"lift": {"above": "0"}}, "lift.above = '0'"),
        ({"lift": {"above": True}}, "lift.above = True"),
        ({"lift": {"above": 0, "below": 1}}, "exactly one"),
        ({"lift": {"bound": "low"}}, "exactly one"),
        ({"lift": {"more_than": 0}}, "more_than"),
        ({"lift": {"above": 0, "otherwise": "warn"}}, "lift.otherwise = 'warn'"),
        ({"lift": 0.1}, "lift = 0.1"),
    ],
)
def test_wrong_criteria_are_refused(metrics_file, criteria, named, capsys):
    status, decision = run(metrics_file, criteria)
    assert (status, decision) == (1, None)
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "{}", '{"metrics": []}', '{"metrics": {"a": 3}}', '{"metrics": {"a": {"low": 1}}}'],
)
def test_wrong_metrics_files_are_refused(tmp_path, text):
    path = tmp_path / "qc.json"
    path.write_text(text)
    with pytest.raises(InputError, match="qc.json"):
        gates.judge("pilot", {"a": {"above": 0}}, None, [path])


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"0.1"', "true"])
def test_a_metric_is_a_finite_number(tmp_path, value):
    path = tmp_path / "qc.json"
    path.write_text(f'{{"metrics": {{"a": {{"value": {value}}}}}}}')
    with pytest.raises(InputError, match=r"metrics\.a\.value"):
        gates.judge("pilot", {"a": {"above": 0}}, None, [path])


def test_a_missing_metrics_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json"):
        gates.judge("pilot", {"a": {"above": 0}}, None, [tmp_path / "none.json"])


def test_one_metric_comes_from_one_file(metrics_file, tmp_path):
    other = tmp_path / "other.json"
    other.write_text('{"metrics": {"lift": {"value": 1}}}')
    with pytest.raises(InputError, match=r"metrics\.lift"):
        gates.judge("pilot", {"lift": {"above": 0}}, None, [metrics_file, other])
    other.write_text('{"metrics": {"other_lift": {"value": 1}}}')
    criteria = {"lift": {"above": 0}, "other_lift": {"above": 0}}
    decision = gates.judge("pilot", criteria, None, [metrics_file, other])
    assert decision["decision"] == "pass"
    assert len(decision["evidence"]) == 2
