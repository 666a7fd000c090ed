"""Margins by hand, thresholds, areas, and the calibration command on a real tiny model."""

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from tests import tiny_models
from workflow_scripts import critic_calibration
from workflow_scripts.core import calibration, critic, prompts, schemas
from workflow_scripts.core.engines import load_engine
from workflow_scripts.core.errors import InputError

CONFIG = Path(__file__).parents[1] / "config"
SETTINGS = {"backend": "transformers", "dtype": "float32", "batch_size": 64, "device": "cpu"}
PRINCIPLES = [critic.Principle("one", "Does it fit?", 3.0), critic.Principle("two", "Is it right?", 1.0)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.make_qwen2(tmp_path_factory.mktemp("models") / "tiny-base")


@pytest.fixture(scope="module")
def engine(model):
    return load_engine(SETTINGS, model)


@pytest.fixture(scope="module")
def template():
    return prompts.load_template(CONFIG / "prompts" / "critic.j2")


class Oracle:
    """An engine whose log-probabilities come from a table, in the order of the prompts."""

    def __init__(self, tokenizer, table):
        self.tokenizer, self.table, self.asked = tokenizer, np.asarray(table, dtype=float), []

    def choice_logprobs(self, prompts, choices, progress=None):
        self.asked.extend(self.tokenizer.decode(ids) for ids in prompts)
        if progress is not None:
            progress.advance(len(prompts))
        return self.table[: len(prompts)]


def test_the_margin_by_hand(engine, template, monkeypatch):
    # Two tokens write A and two write B; their probabilities for two principles under both orders.
    monkeypatch.setattr(critic, "label_tokens", lambda tokenizer: ([32, 40], [33, 41]))
    table = [[0.5, 0.1, 0.2, 0.1], [0.3, 0.0001, 0.4, 0.2], [0.2, 0.2, 0.2, 0.2], [0.1, 0.1, 0.5, 0.3]]
    oracle = Oracle(engine.tokenizer, np.log(table))
    done = []
    made = critic.judge(oracle, template, PRINCIPLES, [("Name a bird.", "owl")], done.append)[0]
    one = (math.log(0.6 / 0.3) - math.log(0.3001 / 0.6)) / 2
    two = (math.log(0.4 / 0.4) - math.log(0.2 / 0.8)) / 2
    margin = round((3 * one + two) / 4, 3)
    assert made.margin == margin
    assert made.p_yes == pytest.approx(1 / (1 + math.exp(-margin)), rel=1e-12)
    assert made.by_principle == {"one": pytest.approx(one, abs=6e-4), "two": pytest.approx(two, abs=6e-4)}
    assert made.by_order[0] == pytest.approx((3 * math.log(2) + 0) / 4, abs=6e-4)
    assert sum(done) == 1
    assert [prompt.splitlines()[-4:] for prompt in oracle.asked] == [
        [question, *labels, "Verdict:"]
        for question in ("Does it fit?", "Is it right?")
        for labels in (["A. yes", "B. no"], ["A. no", "B. yes"])
    ]
    assert all("Question: Name a bird.\nAnswer: owl\n" in prompt for prompt in oracle.asked)


def test_a_liking_for_a_letter_cancels(engine, template, monkeypatch):
    monkeypatch.setattr(critic, "label_tokens", lambda tokenizer: ([32, 40], [33, 41]))
    for favourite in (0.9, 0.1):
        row = [favourite / 2, favourite / 2, (1 - favourite) / 2, (1 - favourite) / 2]
        oracle = Oracle(engine.tokenizer, np.log([row] * 4))
        assert critic.judge(oracle, template, PRINCIPLES, [("x", "y")])[0].margin == 0


def test_both_ways_to_write_a_label_count(engine):
    first, second = critic.label_tokens(engine.tokenizer)
    assert {engine.tokenizer.decode([token]) for token in first} <= {"A", " A"}
    assert {engine.tokenizer.decode([token]) for token in second} <= {"B", " B"}
    assert engine.tokenizer.convert_tokens_to_ids("A") in first and not set(first) & set(second)


def test_a_judgement_is_the_models_own_and_the_same_in_any_batch(engine, template):
    import torch

    rng = random.Random(3)
    words = ["owl", "dog", "red", "hot", "apple"]
    pairs = [(f"Name {rng.choice(words)} {n}.", " ".join(rng.choices(words, k=3))) for n in range(30)]
    engine.batch_size = 64
    expected = critic.judge(engine, template, PRINCIPLES, pairs)
    for batch_size in (1, 7):
        engine.batch_size = batch_size
        order = random.Random(batch_size).sample(range(len(pairs)), len(pairs))
        shuffled = critic.judge(engine, template, PRINCIPLES, [pairs[i] for i in order])
        assert [judgement.margin for judgement in shuffled] == [expected[i].margin for i in order]
    first, second = critic.label_tokens(engine.tokenizer)
    by_hand = []
    for sign, text in zip(
        (1, -1, 1, -1), critic.review_prompts(template, PRINCIPLES, *pairs[0]), strict=True
    ):
        logits = engine.model(torch.tensor([prompts.encode(engine.tokenizer, text)])).logits[0, -1]
        p = logits.detach().double().softmax(-1)
        by_hand.append(sign * math.log(p[first].sum() / p[second].sum()))
    assert expected[0].margin == pytest.approx(np.average(by_hand, weights=[3, 3, 1, 1]), abs=6e-4)


def test_a_label_of_several_tokens_is_refused(engine):
    class Splits:
        def __call__(self, text, add_special_tokens):
            return {"input_ids": [1, 2]}

    with pytest.raises(InputError, match="critic label = 'A'"):
        critic.label_tokens(Splits())


def test_the_area_is_the_mann_whitney_statistic():
    rng = np.random.default_rng(1)
    margins = np.round(rng.normal(size=200), 1)
    good = rng.random(200) < 0.4
    expected = mannwhitneyu(margins[good], margins[~good]).statistic / (good.sum() * (~good).sum())
    assert critic.auc(margins, good) == pytest.approx(expected, abs=1e-12)
    assert critic.auc([1, 2], [False, True]) == 1.0
    with pytest.raises(ValueError):
        critic.auc([1, 2], [True, True])


def test_the_threshold_accepts_as_many_as_the_precision_allows():
    margins = [5, 4, 3, 2, 1, 0]
    good = [True, True, False, True, True, False]
    found = critic.find_threshold(margins, good, 0.8)
    assert found == {
        "threshold": 1.0,
        "precision": 0.8,
        "recall": 1.0,
        "accepted": 5,
        "n": 6,
        "target_precision": 0.8,
        "reached": True,
    }
    assert critic.find_threshold(margins, good, 0.9)["threshold"] == 4.0
    assert critic.find_threshold(margins, good, 0.0)["accepted"] == 6


def test_ties_are_accepted_together():
    found = critic.find_threshold([1, 1, 1, 0], [True, True, False, False], 0.9)
    assert (found["threshold"], found["accepted"], found["reached"]) == (1.0, 3, False)
    assert found["precision"] == pytest.approx(2 / 3)
    with pytest.raises(ValueError):
        critic.find_threshold([1], [False], 0.9)


def test_the_threshold_against_every_candidate():
    rng = np.random.default_rng(2)
    for _ in range(50):
        margins, good = np.round(rng.normal(size=30), 1), rng.random(30) < 0.5
        found = critic.find_threshold(margins, good, 0.7)
        fitting = [t for t in set(margins.tolist()) if good[margins >= t].mean() >= 0.7]
        assert found["reached"] == bool(fitting)
        if fitting:
            assert found["threshold"] == min(fitting)


@pytest.mark.parametrize(
    "text, field",
    [
        ("principles: []", "principles"),
        ("[]", "principles"),
        ("principles: [{id: a, question: b}]", r"principles\[0\].weight"),
        ("principles: [{id: a, question: b, weight: true}]", r"principles\[0\].weight"),
        ("principles: [{id: a, question: b, weight: -1}]", r"principles\[0\].weight"),
        ("principles: [{id: 1, question: b, weight: 1}]", r"principles\[0\].id"),
        ("principles: [{id: a, question: b, weight: 0}]", "principles.weight"),
        ("principles: [{id: a, question: b, weight: 1}, {id: a, question: c, weight: 1}]", "principles.id"),
        ("principles: {", "not valid YAML"),
    ],
)
def test_a_wrong_constitution_is_refused_by_field(tmp_path, text, field):
    path = tmp_path / "constitution.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=field) as error:
        critic.load_constitution(path)
    assert "constitution.yaml" in str(error.value)


def test_the_projects_constitution_is_right():
    assert critic.load_constitution(CONFIG / "constitution.yaml")
    with pytest.raises(InputError, match="does not exist"):
        critic.load_constitution(CONFIG / "absent.yaml")


def judgements_of(margins):
    return [critic.Judgement(m, critic.sigmoid(m), {"one": m}, (m + 0.5, m - 0.5)) for m in margins]


def test_the_calibration_report_by_hand():
    items = [{"type": "t", "family": name} for name in ("x", "x", "y", "y")]
    judgements = judgements_of([2.0, -2.0, 1.0, -1.0, 0.2, 0.3, -0.1, -3.0])
    report = calibration.calibration_report(items, judgements, 0.75)
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


def test_the_command_calibrates(model, tmp_path):
    from workflow_scripts.core.task_splits import draw_splits
    from workflow_scripts.core.tasks import load_tasks

    tasks = load_tasks(CONFIG / "tasks" / "microworld.yaml")
    rows = draw_splits(tasks, {"test": 5, "dev": 5, "calibration": 20}, 1)
    rows = [{**row, "provenance": "{}"} for row in rows if row["split"] == "calibration"]
    schemas.write_records(tmp_path / "calibration.parquet", rows, schemas.ITEMS)
    reports = []
    for name in ("one.json", "two.json"):
        critic_calibration.main(
            [
                "--settings", json.dumps({"engine": SETTINGS, "critic": {"target_precision": 0.9}}),
                "--identity", str(model), "--calibration", str(tmp_path / "calibration.parquet"),
                "--constitution", str(CONFIG / "constitution.yaml"),
                "--template", str(CONFIG / "prompts" / "critic.j2"),
                "--calibration-report", str(tmp_path / name),
            ]
        )  # fmt: skip
        reports.append((tmp_path / name).read_bytes())
    assert reports[0] == reports[1]
    report = json.loads(reports[0])
    assert report["stage"] == "critic" and isinstance(report["threshold"], float)
    assert report["metrics"]["accuracy"]["n"] == 40
