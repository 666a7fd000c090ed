"""Error rates of the gates on a lift: exact, the same as by simulating the real gate, and stated."""

import json
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import yaml

from workflow_scripts import gate_error_rates as command
from workflow_scripts.core import gates
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.lifts import lift_metric
from workflow_scripts.core.gate_error_rates import (
    OUTCOMES,
    error_rates,
    gate_error_rates,
    outcome_probabilities,
    right_outcome,
    severities,
    table_probabilities,
)
from workflow_scripts.core.statistics import intervals
from workflow_scripts.core.statistics.tables import PairedTable

CONFIG = yaml.safe_load(Path("config/config.yaml").read_text())
CONFIDENCE = 0.95


def parsed(*criteria):
    return gates.parse_criteria("sft", {"lift": list(criteria)})


BOUNDS = parsed(
    {"bound": "high", "at_least": 0.0, "otherwise": "stop"},
    {"bound": "high", "at_least": 0.1, "otherwise": "pause"},
)
BOTH_SIDES = parsed(
    {"bound": "high", "at_least": 0.05, "otherwise": "stop"},
    {"bound": "low", "above": 0.0, "otherwise": "pause"},
)
ESTIMATE = parsed({"bound": "value", "at_least": 0.05, "otherwise": "pause"})


def decided_by_the_gate(criteria, table: PairedTable) -> str:
    """What the gate decides about the metric that dev_lift writes for this table."""
    metrics = {"lift": lift_metric(table, 2 * (1 - CONFIDENCE), intervals.tango)}
    found = [gates.judge_criterion("sft", one, metrics, {"lift": "f"})["decision"] for one in criteria]
    return max(found, key=gates.SEVERITY.get)


@pytest.mark.parametrize("criteria", [BOUNDS, BOTH_SIDES, ESTIMATE])
def test_tables_are_judged_as_the_gate_judges_them(criteria):
    n, drawn = 120, np.random.default_rng(3).multinomial(120, [0.1, 0.15, 0.75], size=60)
    low, high = intervals.tango_bounds(n, drawn[:, 0], drawn[:, 1], 2 * (1 - CONFIDENCE))
    found = severities(criteria, {"value": (drawn[:, 1] - drawn[:, 0]) / n, "low": low, "high": high})
    expected = [decided_by_the_gate(criteria, PairedTable(0, *map(int, row))) for row in drawn]
    assert [OUTCOMES[place] for place in found] == expected
    assert len(set(expected)) > 1


@pytest.mark.parametrize(("n", "discordance", "lift"), [(30, 0.3, 0.1), (600, 0.15, -0.05), (600, 0.1, 0.1)])
def test_probabilities_are_those_of_the_counts(n, discordance, lift):
    baseline, candidate, probability = table_probabilities(n, discordance, lift)
    assert probability.sum() == pytest.approx(1, abs=1e-9)
    assert (probability * (candidate - baseline)).sum() / n == pytest.approx(lift, abs=1e-9)
    assert (probability * (candidate + baseline)).sum() / n == pytest.approx(discordance, abs=1e-9)


@pytest.mark.parametrize("lift", [-0.05, 0.0, 0.05, 0.1])
@pytest.mark.parametrize("criteria", [BOUNDS, BOTH_SIDES, ESTIMATE])
def test_exact_probabilities_agree_with_simulation(criteria, lift):
    n, discordance, runs = 150, 0.2, 4000
    exact = outcome_probabilities(criteria, n, discordance, lift, CONFIDENCE)
    shares = [(discordance - lift) / 2, (discordance + lift) / 2, 1 - discordance]
    drawn, counts = np.unique(
        np.random.default_rng(8).multinomial(n, shares, size=runs), axis=0, return_counts=True
    )
    simulated = dict.fromkeys(OUTCOMES, 0)
    for row, count in zip(drawn, counts, strict=True):
        simulated[decided_by_the_gate(criteria, PairedTable(0, *map(int, row)))] += int(count)
    assert sum(exact.values()) == pytest.approx(1, abs=1e-9)
    for name in OUTCOMES:
        noise = 4 * sqrt(exact[name] * (1 - exact[name]) / runs) + 1e-9
        assert simulated[name] / runs == pytest.approx(exact[name], abs=noise), name


def test_what_is_right_is_what_would_be_decided_without_error():
    lifts = (-0.01, 0.0, 0.09, 0.1, 0.2)
    assert [right_outcome(BOUNDS, lift) for lift in lifts] == ["stop", "pause", "pause", "pass", "pass"]


def test_an_interval_bound_rarely_errs_at_its_threshold_and_an_estimate_half_the_time():
    bound = error_rates(
        parsed({"bound": "high", "at_least": 0.05, "otherwise": "pause"}), 600, 0.15, 0.05, 0.95
    )
    assert bound["right"] == "pass" and 0.03 < bound["false_pause"] < 0.06
    estimate = error_rates(ESTIMATE, 600, 0.15, 0.05, CONFIDENCE)
    assert 0.4 < estimate["false_pause"] < 0.6


def test_each_error_is_counted_where_it_is_one():
    rows = {lift: error_rates(BOUNDS, 300, 0.2, lift, CONFIDENCE) for lift in (-0.05, 0.05, 0.15)}
    assert rows[-0.05]["false_stop"] == 0 and rows[-0.05]["false_continue"] == rows[-0.05]["pass"]
    assert rows[0.05]["false_pause"] == 0 and rows[0.05]["false_continue"] == rows[0.05]["pass"] > 0
    assert rows[0.15]["false_continue"] == 0 and rows[0.15]["false_pause"] == rows[0.15]["pause"] > 0
    assert rows[0.15]["false_stop"] == rows[0.15]["stop"]


def test_a_lift_beyond_the_planned_discordance_brings_its_own():
    row = error_rates(BOUNDS, 300, 0.1, 0.2, CONFIDENCE)
    assert row["discordance"] == 0.2 and row["pass"] > 0.99


def test_more_items_err_less():
    few, many = (error_rates(BOUNDS, n, 0.15, 0.05, CONFIDENCE)["false_continue"] for n in (100, 1000))
    assert many < 0.02 < few


def test_a_gate_on_another_metric_has_no_stated_error_rates():
    options = {"n": 100, "discordance": 0.1, "lifts": [0.0], "confidence": 0.95}
    with pytest.raises(InputError, match=r"pilot\.criteria\.runaway_rate"):
        gate_error_rates("pilot", {"runaway_rate": {"below": 0.05}}, **options)


def settings_of(config) -> dict:
    return {
        "gates": {gate: config["gates"][gate] for gate in ("sft", "dpo")},
        "n": config["test_set"]["sizes"]["dev"],
        "confidence": config["statistics"]["confidence"],
        "planned_discordance": config["statistics"]["planned_discordance"],
    }


def test_the_command_states_the_error_rates_of_the_shipped_configuration(tmp_path, capsys):
    target = tmp_path / "error_rates.json"
    command.main(["--settings", json.dumps(settings_of(CONFIG)), "--report", str(target)])
    document, told = json.loads(target.read_text()), capsys.readouterr().err
    for gate in ("sft", "dpo"):
        found = document["gates"][gate]
        assert found["n"] == 600 and found["criteria"]
        thresholds = [criterion.threshold for criterion in gates.parse_criteria(gate, CONFIG["gates"][gate])]
        assert [row["lift"] for row in found["rows"]] == sorted({*command.LIFTS, *thresholds})
        assert command.LIFTS[0] == -0.05 and command.LIFTS[-1] == 0.2
        assert found["largest"]["false_stop"] <= 0.06
        assert f"gate {gate}: 600 items" in told
        assert document["metrics"][f"{gate}_false_pause"]["value"] == found["largest"]["false_pause"]
    assert "false continue" in told


def test_a_discordance_that_was_not_planned_is_asked_for(tmp_path, capsys):
    settings = settings_of(CONFIG) | {"planned_discordance": {"sft": 0.1}}
    with pytest.raises(SystemExit):
        command.main(["--settings", json.dumps(settings), "--report", str(tmp_path / "rates.json")])
    assert "statistics.planned_discordance.dpo" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
