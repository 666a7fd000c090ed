"""Margins by hand, thresholds, areas, and the calibration command on a real tiny model."""

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import mannwhitneyu, spearmanr

from tests import tiny_models
from workflow_scripts import critic_calibration, gate
from workflow_scripts.core import calibration, critic, critic_prior, prompts, schemas
from workflow_scripts.core.engines import load_engine
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.task_splits import draw_splits
from workflow_scripts.core.tasks import load_tasks

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


def test_a_prior_is_taken_off_each_principle(engine, template, monkeypatch):
    monkeypatch.setattr(critic, "label_tokens", lambda tokenizer: ([32, 40], [33, 41]))
    table = np.log(
        [[0.5, 0.1, 0.2, 0.1], [0.3, 0.0001, 0.4, 0.2], [0.2, 0.2, 0.2, 0.2], [0.1, 0.1, 0.5, 0.3]]
    )
    plain, shifted = (
        critic.judge(Oracle(engine.tokenizer, table), template, principles, [("Name a bird.", "owl")])[0]
        for principles in (PRINCIPLES, critic_prior.with_priors(PRINCIPLES, {"one": 0.4, "two": -1.0}))
    )
    shift = (3 * 0.4 - 1.0) / 4
    assert shifted.margin == pytest.approx(plain.margin - shift, abs=1e-9)
    assert shifted.by_principle["one"] == pytest.approx(plain.by_principle["one"] - 0.4, abs=1e-9)
    assert shifted.by_order == pytest.approx([order - shift for order in plain.by_order], abs=1e-9)
    assert shifted.p_yes == pytest.approx(critic.sigmoid(shifted.margin))
    assert critic.less_priors(plain, PRINCIPLES) == plain


def test_the_prior_is_the_margin_of_answers_without_content(engine, template):
    content_free = critic_prior.measure_prior(engine, template, PRINCIPLES)
    assert [entry["text"] for entry in content_free] == ["N/A", "", "..."]
    judged = critic.judge(engine, template, PRINCIPLES, [(text, text) for text in critic_prior.CONTENT_FREE])
    prior = critic_prior.mean_prior(content_free)
    for name in ("one", "two"):
        expected = np.mean([judgement.by_principle[name] for judgement in judged])
        assert prior[name] == pytest.approx(expected, abs=6e-4)
    principles = critic_prior.with_priors(PRINCIPLES, prior)
    again = critic_prior.mean_prior(critic_prior.measure_prior(engine, template, principles))
    assert max(map(abs, again.values())) < 2e-3, "of nothing, a critic without its prior says nothing"


def test_a_prior_is_subtracted_where_that_makes_p_yes_better():
    leaning = judgements_of([2.0, 1.0, 2.5, 0.9], name="one")  # says yes to good and bad alike
    fair = judgements_of([1.0, -1.0, 0.5, -0.6], name="one")
    is_good, principles, prior = [True, False] * 2, PRINCIPLES[:1], {"one": 1.5}

    def chosen(judgements, when):
        return critic_prior.choose_priors(principles, prior, judgements, is_good, when)[0].prior

    assert chosen(leaning, "if_better") == 1.5 and chosen(fair, "if_better") == 0
    assert chosen(fair, "always") == 1.5 and chosen(leaning, "never") == 0


def test_a_calibration_report_gives_threshold_and_priors(tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"threshold": 0.5, "prior": {"two": 1.0, "one": -0.25}}))
    threshold, principles = critic_prior.read_calibration(path, PRINCIPLES)
    assert threshold == 0.5 and [principle.prior for principle in principles] == [-0.25, 1.0]
    assert [principle.weight for principle in principles] == [3.0, 1.0]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"threshold": 1}', "threshold, prior"),
        ("[", "threshold, prior"),
        ('{"threshold": 1, "prior": {"one": 1}}', r"prior = \['one'\]: .*one, two"),
        ('{"threshold": 1, "prior": {"one": 1, "two": 1, "three": 1}}', "prior = "),
    ],
)
def test_another_file_than_a_calibration_report_is_refused(tmp_path, text, named):
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"calibration.json: {named}"):
        critic_prior.read_calibration(path, PRINCIPLES)


def judgements_of(margins, name="one"):
    return [critic.Judgement(m, critic.sigmoid(m), {name: m}, (m + 0.5, m - 0.5)) for m in margins]


def calibrated(margins, target_precision=0.75):
    """A report on margins of references and corruptions in turn; the first half of the items is family x."""
    half = len(margins) // 4
    items = [
        {"type": "t", "family": "x" if place < half else "y", "reference": "a", "corruption": "b"}
        for place in range(2 * half)
    ]
    content_free = [{"text": "N/A", "by_principle": {"one": 0.5}}, {"text": "", "by_principle": {"one": 0.1}}]
    return calibration.calibration_report(
        items, judgements_of(margins), target_precision, PRINCIPLES[:1], content_free
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
    settings = {"engine": {**SETTINGS, "batch_size": batch_size}, "critic": how}
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
