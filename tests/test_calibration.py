"""What the calibration says of a critic: by hand, by simulation, and by the command on a real tiny model."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import spearmanr

from tests import tiny_models
from workflow_scripts import critic_calibration, gate
from workflow_scripts.core import calibration, critic, schemas
from workflow_scripts.core.constitution import Principle
from workflow_scripts.core.task_splits import draw_splits
from workflow_scripts.core.tasks import load_tasks

CONFIG = Path(__file__).parents[1] / "config"
ENGINE = {"backend": "transformers", "dtype": "float32", "batch_size": 64, "device": "cpu"}
PRINCIPLES = [Principle("one", "Does it fit?", 3.0)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.make_qwen2(tmp_path_factory.mktemp("models") / "tiny-base")


def judgements_of(margins):
    return [critic.Judgement(m, critic.sigmoid(m), {"one": m}, (m + 0.5, m - 0.5)) for m in margins]


def calibrated(margins, target_precision=0.75):
    """A report on margins of references and corruptions in turn; the first half of the items is family x."""
    half = len(margins) // 4
    items = [
        {"type": "t", "family": "x" if place < half else "y", "reference": "a", "corruption": "b"}
        for place in range(2 * half)
    ]
    content_free = [{"text": "N/A", "by_principle": {"one": 0.5}}, {"text": "", "by_principle": {"one": 0.1}}]
    return calibration.calibration_report(
        items, judgements_of(margins), target_precision, PRINCIPLES, content_free
    )


def test_the_calibration_report_by_hand():
    report = calibrated([2.0, -2.0, 1.0, -1.0, 0.2, 0.3, -0.1, -3.0])
    metrics = {name: metric["value"] for name, metric in report["metrics"].items()}
    assert metrics["auc"] == pytest.approx(14 / 16)
    assert metrics["accuracy"] == 6 / 8
    assert metrics["label_order_flip_rate"] == 3 / 8
    assert report["threshold"] == -0.1 and metrics["threshold_precision"] == 0.8
    assert metrics["recall"] == 1.0 and metrics["reached"] == 1.0
    assert report["auc_by_family"] == {"x": {"auc": 1.0, "n": 4}, "y": {"auc": 0.5, "n": 4}}
    assert report["metrics"]["auc"]["low"] < metrics["auc"] < report["metrics"]["auc"]["high"]
    assert report["roc"][-1] == {
        "threshold": -3.0, "true_positive_rate": 1.0, "false_positive_rate": 1.0,
    }  # fmt: skip
    assert sum(row["n"] for row in report["reliability"]) == 8
    assert report["prior"] == {"one": 0.0} and report["content_free_prior"] == {"one": 0.3}
    p_yes = [critic.sigmoid(m) for m in (2.0, -2.0, 1.0, -1.0, 0.2, 0.3, -0.1, -3.0)]
    expected = np.mean([(p - good) ** 2 for p, good in zip(p_yes, [1, 0] * 4, strict=True)])
    assert metrics["brier"] == report["worth_of_p_yes"]["without_prior"]["brier"] == pytest.approx(expected)
    shifted = [critic.sigmoid(m - 0.3) for m in (2.0, -2.0, 1.0, -1.0, 0.2, 0.3, -0.1, -3.0)]
    expected = np.mean([(p - good) ** 2 for p, good in zip(shifted, [1, 0] * 4, strict=True)])
    assert report["worth_of_p_yes"]["with_prior"]["brier"] == pytest.approx(expected)


def test_the_calibration_error_by_hand():
    # P(yes) 0.75 three times, two of them right; 0.25 once, wrong.
    log_odds = math.log(3)
    margins, good = np.array([log_odds, log_odds, log_odds, -log_odds]), np.array([True, True, False, False])
    error = calibration.calibration_error(calibration.reliability(margins, good))
    assert error == pytest.approx(0.75 * abs(0.75 - 2 / 3) + 0.25 * abs(0.25 - 0.0))


def test_a_critic_that_knows_its_odds_has_no_calibration_error():
    rng = np.random.default_rng(4)
    margins = rng.normal(0, 2, 40_000)
    p_yes = 1 / (1 + np.exp(-margins))
    good = rng.random(40_000) < p_yes
    assert calibration.calibration_error(calibration.reliability(margins, good)) < 0.01
    assert calibration.calibration_error(calibration.reliability(margins * 3, good)) > 0.05


def test_the_brier_score_of_one_half_is_a_quarter_and_its_interval_covers():
    items = np.repeat(np.arange(50), 2)
    good = np.tile([True, False], 50)
    assert calibration.brier(np.zeros(100), good, items)["value"] == 0.25
    rng = np.random.default_rng(6)
    draws = [rng.normal(np.where(good, 0.8, -0.8), 1.5) for _ in range(400)]
    scores = [calibration.brier(margins, good, items) for margins in draws]
    truth = np.mean([score["value"] for score in scores])
    covered = np.mean([score["low"] <= truth <= score["high"] for score in scores])
    assert 0.90 <= covered <= 0.99


def test_the_length_correlation_of_one_group_is_spearmans_rho():
    rng = np.random.default_rng(5)
    lengths = rng.integers(1, 20, 80).astype(float)
    margins = 0.2 * lengths + rng.normal(0, 2, 80)
    metric = calibration.length_correlation(margins, lengths, np.zeros(80))
    rho = spearmanr(margins, lengths).statistic
    assert metric["value"] == pytest.approx(rho) and metric["n"] == 80
    error = 1.959964 * math.sqrt((1 + rho**2 / 2) / 77)
    assert metric["low"] == pytest.approx(math.tanh(math.atanh(rho) - error))


def test_a_family_with_longer_answers_that_is_easier_is_no_liking_for_length():
    rng = np.random.default_rng(7)
    families = np.repeat([0, 1], 100)
    lengths = np.where(families, 40, 5) + rng.integers(0, 10, 200)
    margins = np.where(families, 3.0, 0.0) + rng.normal(0, 1, 200)
    assert calibration.length_correlation(margins, lengths, np.zeros(200))["value"] > 0.6
    within = calibration.length_correlation(margins, lengths, families)
    assert within["low"] < 0 < within["high"] and within["n"] == 200
    biased = calibration.length_correlation(margins + 0.5 * lengths, lengths, families)
    assert biased["low"] > 0.5


def test_answers_of_one_length_say_nothing_of_length():
    metric = calibration.length_correlation(np.arange(4.0), np.ones(4), [0, 0, 1, 1])
    assert metric == {"value": 0.0, "low": -1.0, "high": 1.0, "n": 0}


def test_the_interval_of_the_area_is_hanley_and_mcneils():
    margins = [3, 2, 1, 0, 2.5, 0.5, -1, -2]
    good = [True] * 4 + [False] * 4
    metric = calibration.auc_metric(margins, good)
    area = metric["value"]
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    error = math.sqrt((area * (1 - area) + 3 * (q1 - area**2) + 3 * (q2 - area**2)) / 16)
    assert metric["low"] == pytest.approx(max(0, area - 1.959964 * error))


def test_a_fold_without_accepted_answers_says_nothing_of_precision():
    metric = calibration.held_out_precision(
        np.array([9.0, 1.0, 0.5, 0.2]), np.array([True, False] * 2), np.array([0, 0, 1, 1]), 0.9
    )
    assert metric["n"] <= 2 and 0 <= metric["low"] <= metric["high"] <= 1


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """A file of 60 calibration items."""
    tasks = load_tasks(CONFIG / "tasks" / "microworld.yaml")
    rows = draw_splits(tasks, {"test": 5, "dev": 5, "calibration": 60}, 1)
    rows = [{**row, "provenance": "{}"} for row in rows if row["split"] == "calibration"]
    path = tmp_path_factory.mktemp("items") / "calibration.parquet"
    schemas.write_records(path, rows, schemas.ITEMS)
    return path


def calibrate(model, items, output: Path, subtract_prior: str = "if_better", batch_size: int = 64) -> dict:
    how = {"target_precision": 0.9, "subtract_prior": subtract_prior}
    settings = {"engine": {**ENGINE, "batch_size": batch_size}, "critic": how}
    critic_calibration.main(
        ["--settings", json.dumps(settings), "--identity", str(model), "--calibration", str(items)]
        + ["--constitution", str(CONFIG / "constitution.yaml"), "--calibration-report", str(output)]
        + ["--template", str(CONFIG / "prompts" / "critic.j2")]
    )
    return json.loads(output.read_bytes())


def test_the_command_calibrates_the_same_in_any_batch(model, items, tmp_path):
    report = calibrate(model, items, tmp_path / "one.json")
    calibrate(model, items, tmp_path / "two.json", batch_size=7)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert report["stage"] == "critic" and isinstance(report["threshold"], float)
    assert report["metrics"]["accuracy"]["n"] == 120


def test_the_command_subtracts_the_prior_as_it_is_told(model, items, tmp_path):
    never = calibrate(model, items, tmp_path / "never.json", "never")
    always = calibrate(model, items, tmp_path / "always.json", "always")
    prior = always["content_free_prior"]
    assert always["prior"] == prior == never["content_free_prior"]
    assert set(never["prior"].values()) == {0.0} and all(prior.values())
    shift = np.mean(list(prior.values()))  # the constitution's weights are equal
    assert always["threshold"] == pytest.approx(never["threshold"] - shift, abs=1e-9)
    for name in ("auc", "recall", "length_correlation"):
        assert always["metrics"][name] == never["metrics"][name], "a shift of all margins orders nothing anew"
    assert always["worth_of_p_yes"] == never["worth_of_p_yes"]
    for report, side in ((always, "with_prior"), (never, "without_prior")):
        assert report["metrics"]["brier"]["value"] == pytest.approx(report["worth_of_p_yes"][side]["brier"])


def test_a_critic_at_chance_stops_the_run(model, items, tmp_path, capsys):
    """An untrained model judges: the gate's own criteria stop, and say what was measured and asked."""
    calibrate(model, items, tmp_path / "calibration.json")
    criteria = yaml.safe_load((CONFIG / "config.yaml").read_text(encoding="utf-8"))["gates"]["critic"]
    settings = {"gate": {"name": "critic", "criteria": criteria, "override": None}}
    with pytest.raises(SystemExit) as stopped:
        gate.main(
            ["--settings", json.dumps(settings), "--metrics", str(tmp_path / "calibration.json")]
            + ["--decision", str(tmp_path / "critic-gate.json")]
        )
    assert stopped.value.code != 0
    decision = json.loads((tmp_path / "critic-gate.json").read_text())
    failed = {entry["metric"] for entry in decision["criteria"] if entry["decision"] == "stop"}
    assert decision["decision"] == "stop" and {"auc", "held_out_precision"} <= failed
    error = capsys.readouterr().err
    assert "gate critic: STOP" in error and "auc" in error and "calibration.json" in error
