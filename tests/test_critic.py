"""Margins by hand, thresholds, areas, priors taken off, and the constitution."""

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from tests import tiny_models
from workflow_scripts.core import critic, critic_prior, prompts
from workflow_scripts.core.constitution import Principle, load_constitution
from workflow_scripts.core.engines.loading import load_engine
from workflow_scripts.core.errors import InputError

CONFIG = Path(__file__).parents[1] / "config"
SETTINGS = {"backend": "transformers", "dtype": "float32", "batch_size": 64, "device": "cpu"}
PRINCIPLES = [Principle("one", "Does it fit?", 3.0), Principle("two", "Is it right?", 1.0)]


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

    choice_noise = 0.0

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


def test_log_probabilities_differ_between_batches_by_less_than_the_engine_says(engine, template):
    labels = [token for side in critic.label_tokens(engine.tokenizer) for token in side]
    texts = [
        review
        for n in range(30)
        for review in critic.review_prompts(template, PRINCIPLES, f"Name {n} birds.", "owl, hen " * (n % 7))
    ]
    reviews = prompts.encode_all(engine.tokenizer, texts)
    engine.batch_size = 64
    together = engine.choice_logprobs(reviews, labels)
    alone = np.concatenate([engine.choice_logprobs([review], labels) for review in reviews])
    assert 0 < np.abs(together - alone).max() < engine.choice_noise


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
        load_constitution(path)
    assert "constitution.yaml" in str(error.value)


def test_the_projects_constitution_is_right():
    assert load_constitution(CONFIG / "constitution.yaml")
    with pytest.raises(InputError, match="does not exist"):
        load_constitution(CONFIG / "absent.yaml")


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
    def judged(*margins):
        return [critic.Judgement(m, critic.sigmoid(m), {"one": m}, (m, m)) for m in margins]

    leaning = judged(2.0, 1.0, 2.5, 0.9)  # says yes to good and bad alike
    fair = judged(1.0, -1.0, 0.5, -0.6)
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


def test_a_pair_counts_when_its_last_prompt_is_done_and_nothing_is_told_before():
    """Engines may finish prompts one by one: a counter that is told of none would divide by zero."""
    told = []
    counter = critic._PairCounter(told.append, 4)
    for prompts_done in (1, 2, 1, 7, 1):
        counter.advance(prompts_done)
    assert told == [1, 1, 1]
