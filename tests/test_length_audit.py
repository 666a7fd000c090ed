"""Length: how well it tells successes from failures, and what lift a rule on it explains."""

import numpy as np
import pytest

from workflow_scripts.core.evaluation import length


def test_length_auc_is_the_chance_that_a_success_is_longer():
    generator = np.random.default_rng(2)
    lengths = generator.integers(1, 12, 80)
    success = generator.random(80) < 0.4
    pairs = [np.sign(good - bad) for good in lengths[success] for bad in lengths[~success]]
    found = length.length_auc(lengths, success, 0.95)
    assert found["value"] == pytest.approx((np.mean(pairs) + 1) / 2)
    assert 0 <= found["low"] < found["value"] < found["high"] <= 1
    assert length.length_auc(lengths, np.ones(80, bool), 0.95)["value"] is None


def test_length_auc_interval_covers():
    generator = np.random.default_rng(6)
    covered = 0
    for _ in range(300):
        lengths = np.concatenate([generator.normal(1, 1, 40), generator.normal(0, 1, 60)])
        found = length.length_auc(lengths, np.arange(100) < 40, 0.95)
        covered += found["low"] <= 0.7602 <= found["high"]
    assert 0.9 < covered / 300 < 0.985


@pytest.mark.parametrize("passes", ["short", "long"])
def test_the_best_rule_on_length(passes):
    lengths = np.arange(100)
    short = lengths <= 30
    rule = length.best_length_rule(lengths, short if passes == "short" else ~short)
    assert rule == {"at_most": 30, "passes": passes, "separation": 1.0}
    assert length.best_length_rule(lengths, np.ones(100, bool))["separation"] == 0


def test_what_a_rule_explains_is_what_a_change_of_lengths_alone_would_give():
    lengths, success = np.array([1, 1, 1, 9, 9, 9, 9, 9]), np.array([1, 1, 0, 1, 0, 0, 0, 0], dtype=bool)
    rule = {"at_most": 5, "passes": "short", "separation": 0.0}
    candidate = np.array([1, 1, 1, 1, 1, 1, 9, 9])
    expected = 2 / 3 * 6 / 8 + 1 / 5 * 2 / 8 - 3 / 8
    assert length.explained_by_rule(lengths, success, candidate, rule) == pytest.approx(expected)
    assert length.explained_by_rule(lengths, success, lengths, rule) == pytest.approx(0)
    never_long = length.explained_by_rule(np.ones(8), success, candidate, rule)
    assert never_long == pytest.approx(0), "a side the baseline never answers on keeps its overall rate"
