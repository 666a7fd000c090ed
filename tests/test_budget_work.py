"""The work of a run, counted by hand: lengths of prompts, amounts of each stage, and what is shared."""

import copy

import pytest

from workflow_scripts.core import prompts
from workflow_scripts.core.budget.lengths import prompt_lengths
from workflow_scripts.core.budget.ranges import Range, exactly
from workflow_scripts.core.budget.work import (
    BASELINE,
    CORE,
    WITH_SFT,
    optional_kind,
    plan_work,
    sizes_of,
)

TEXTS = {
    "completion": "Q{{ instruction }}A",
    "raw": "{{ instruction }}",
    "instructions": "{% for exemplar in exemplars %}-{{ exemplar }};{% endfor %}+",
    "answers": "{% for exemplar in exemplars %}{{ exemplar.instruction }}{{ exemplar.response }}{% endfor %}"
    "{{ instruction }}",
    "critic": "{{ instruction }}{{ response }}{{ principle }}{{ first }}{{ second }}",
}
EXEMPLARS = [{"instruction": "ab", "response": "abcdef"}, {"instruction": "abcd", "response": "abcdefgh"}]
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "target_modules": "all-linear"}
TRAINING = {"epochs": 2, "batch_size": 4, "gradient_accumulation": 2, "max_length": 64, "lora": LORA}
VARIANT = TRAINING | {"epochs": 3, "pair_set": "four", "beta": 0.1, "precompute_reference": True}
SETTINGS = {
    "budget": {"optional": ["pair_sets", "hyperparameters", "seeds"]},
    "test_set": {"sizes": {"test": 100, "dev": 50, "calibration": 20}},
    "generation": {"pilot_size": 10, "shard_size": 200, "shards": 5},
    "sft": TRAINING | {"max_examples": None},
    "sft_longer": {"steps_of": "main"},
    "preferences": {"shards": 2, "candidates": 4, "sets": {"four": {}, "two": {}}},
    "dpo": {
        "variants": {"main": VARIANT, "beta": VARIANT | {"beta": 0.3}, "two": VARIANT | {"pair_set": "two"}}
    },
    "evaluation": {"repeats": {"items": 30}},
    "statistics": {"primary": {"baseline": "base", "candidate": "dpo-main"}},
}
INSTRUCTION, RESPONSE = 10, 20


@pytest.fixture(scope="module")
def lengths(tmp_path_factory):
    directory = tmp_path_factory.mktemp("prompts")
    templates = {}
    for name, text in TEXTS.items():
        (directory / f"{name}.j2").write_text(text)
        templates[name] = prompts.load_template(directory / f"{name}.j2")
    estimates = {
        "instruction_tokens": exactly(INSTRUCTION),
        "response_tokens": exactly(RESPONSE),
        "characters_per_token": 2.0,
    }
    shots = {"instruction": 3, "answer": 2}
    return prompt_lengths(templates, EXEMPLARS, ["right?", "good??"], shots, estimates)


@pytest.fixture
def works(lengths):
    sizes = sizes_of(SETTINGS, Range(0.4, 0.5), exactly(0.5), exactly(0.75), exactly(60))
    return {work.stage: work for work in plan_work(SETTINGS, sizes, lengths)}


def amount(work, term):
    return work.terms[term].amount


def test_prompts_are_as_long_as_their_texts(lengths):
    assert lengths.completion_prompt == exactly(INSTRUCTION + 2 / 2) and lengths.raw_prompt == exactly(
        INSTRUCTION
    )
    assert lengths.list_prompt == exactly(
        (1 + 3 * (3 + 2)) / 2
    )  # three lines with a text of three characters
    assert lengths.answer_prompt == exactly(2 * (3 + 7) / 2 + INSTRUCTION)
    assert lengths.example == exactly(INSTRUCTION + 1 + RESPONSE + 1)


def test_a_judgement_computes_what_its_reviews_share_once(lengths):
    assert lengths.reviews == 4
    assert lengths.review_shared == exactly(INSTRUCTION + RESPONSE)
    own = (6 + 5) / 2  # a principle, yes and no
    assert lengths.judgement == exactly(INSTRUCTION + RESPONSE + 4 * own)


def test_data(works, lengths):
    data = works["sft_data"]
    assert data.units == exactly(1010) and data.jobs == data.loads == 6
    assert amount(data, "generated_tokens") == exactly(1010 * (INSTRUCTION + RESPONSE))
    assert amount(data, "prompt_tokens") == (lengths.list_prompt + lengths.answer_prompt) * 1010
    assert amount(data, "judged_tokens") == lengths.judgement * 1010


def test_one_pool_of_candidates_serves_all_pair_sets(works, lengths):
    pairs = works["pairs"]
    assert pairs.units == Range(1600, 2000) and pairs.jobs == 2 and pairs.loads == 4
    assert amount(pairs, "prompt_tokens") == lengths.completion_prompt * Range(400, 500)  # not times four
    assert amount(pairs, "generated_tokens") == Range(1600, 2000) * RESPONSE
    assert amount(pairs, "judged_tokens") == lengths.judgement * Range(1200, 1500)  # equal ones once
    assert not [stage for stage in works if "pairs" in stage and stage != "pairs"]


def test_sft_may_take_the_first_of_the_examples_and_pairs_come_from_all(works, lengths):
    capped = SETTINGS | {"sft": SETTINGS["sft"] | {"max_examples": 450}}
    sizes = sizes_of(capped, Range(0.4, 0.5), exactly(0.5), exactly(0.75), exactly(60))
    stages = {work.stage: work for work in plan_work(capped, sizes, lengths)}
    assert amount(stages["sft"], "training_tokens") == Range(400, 450) * (2 * lengths.example.low)
    assert stages["pairs"] == works["pairs"] and stages["dpo"] == works["dpo"]


def test_trainings(works, lengths):
    example = lengths.example.low
    assert amount(works["sft"], "training_tokens") == Range(400, 500) * (2 * example)
    assert amount(works["sft"], "dev_generated_tokens") == exactly(2 * 50 * RESPONSE)
    dpo = works["dpo"]
    assert amount(dpo, "training_tokens") == Range(200, 250) * (2 * 3 * example)  # both sides, three epochs
    assert amount(dpo, "reference_tokens") == Range(200, 250) * (2 * example)  # once
    # 200 to 250 pairs, three epochs, in steps of eight; eight examples a step.
    assert amount(works["control_sft_longer"], "training_tokens") == Range(600, 750) * example


def test_a_reference_that_is_not_precomputed_is_computed_each_epoch(lengths):
    settings = copy.deepcopy(SETTINGS)
    settings["dpo"]["variants"]["main"]["precompute_reference"] = False
    sizes = sizes_of(settings, exactly(0.5), exactly(0.5), exactly(0.75), exactly(60))
    dpo = next(work for work in plan_work(settings, sizes, lengths) if work.stage == "dpo")
    assert amount(dpo, "reference_tokens") == amount(dpo, "training_tokens")


def test_evaluations(works):
    assert works["baseline_evaluation"].units == exactly(2 * 150 + 40)
    evaluation = works["evaluation"]
    assert evaluation.units == exactly(2 * 100 + 2 * 50 + 4 * 30) and evaluation.jobs == 8
    assert amount(works["dpo-beta"], "generated_tokens") == exactly(100 * RESPONSE)


def test_optional_work_comes_last_and_what_is_dropped_first_stands_at_the_end(works):
    assert list(works)[-2:] == ["dpo-beta", "dpo-two"]
    assert [work.optional for work in works.values()][-2:] == ["hyperparameters", "pair_sets"]
    assert all(work.optional is None for work in list(works.values())[:-2])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"pair_set": "two"}, "pair_sets"), ({"seed": 2}, "seeds"), ({"beta": 0.3}, "hyperparameters")],
)
def test_what_a_variant_varies(changes, kind):
    assert optional_kind(VARIANT, VARIANT | changes) == kind


def test_a_level_has_all_of_the_one_before(lengths):
    sizes = sizes_of(SETTINGS, exactly(0.5), exactly(0.5), exactly(0.75), exactly(60))
    stages = [
        {work.stage for work in plan_work(SETTINGS, sizes, lengths, level)}
        for level in (BASELINE, WITH_SFT, CORE)
    ]
    assert stages[0] == {"baseline_evaluation", "analysis"} and stages[0] < stages[1] < stages[2]
