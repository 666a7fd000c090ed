"""Records and candidates made by a real (tiny, taught) model: seeds, order, rejection, the critic's part."""

import dataclasses

import pytest

from tests.taught_models import taught_model
from workflow_scripts.core import answers, candidates, generation, prompts, schemas
from workflow_scripts.core.engines import Generation
from workflow_scripts.core.engines.loading import load_engine
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.exemplars import draw_exemplars, load_exemplars

ENGINE = {"backend": "transformers", "dtype": "float32", "batch_size": 16, "device": "cpu"}
EXEMPLARS = [
    {"instruction": f"Repeat {one} {two}.", "response": f"{one} {two}"}
    for one, two in (("cat", "dog"), ("owl", "cow"), ("pig", "hen"), ("fox", "bee"), ("ant", "bat"))
]
INSTRUCTION = {"shots": 3, "temperature": 1.0, "max_new_tokens": 24, "stop": ["\n"]}
ANSWER = {"shots": 2, "temperature": 0.8, "max_new_tokens": 16, "stop": ["\nQuestion:"]}


@pytest.fixture(scope="module")
def engine():
    return load_engine(ENGINE, taught_model())


@pytest.fixture(scope="module")
def templates():
    return {
        name: prompts.load_template(f"config/prompts/{name}.j2")
        for name in ("instructions", "answers", "completion")
    }


def make(engine, templates, size=12, shard=0, name="generation", root=1):
    stream = generation.Stream(root, name, shard)
    records = generation.write_instructions(
        engine, templates["instructions"], EXEMPLARS, INSTRUCTION, stream, size
    )
    return generation.write_answers(engine, templates["answers"], EXEMPLARS, ANSWER, stream, records)


def test_a_record_depends_on_its_place_alone(engine, templates):
    records = make(engine, templates)
    assert make(engine, templates, size=5) == records[:5]
    other = dataclasses.replace(generation.Stream(1, "generation", 0), shard=1)
    assert other.seed(0, "answer") != generation.Stream(1, "generation", 0).seed(0, "answer")
    texts = [record["response_raw"] + record["instruction"] for record in records]
    for changed in ({"shard": 1}, {"name": "pilot"}, {"root": 2}):
        another = make(engine, templates, **changed)
        assert [record["response_raw"] + record["instruction"] for record in another] != texts
        assert not {record["seed"] for record in another} & {record["seed"] for record in records}


def test_records_are_text_in_order(engine, templates):
    records = make(engine, templates, size=20)
    assert [record["index"] for record in records] == list(range(20))
    asked = [record for record in records if record["rejected_reason"] not in generation_reasons()]
    assert len(asked) >= 10
    assert all("\n" not in record["instruction"] and record["prompt_tokens"] > 0 for record in asked)
    assert any(record["rejected_reason"] is None and record["response"] for record in asked)
    assert len({record["prompt_sha256"] for record in asked}) > len(asked) // 2


def generation_reasons():
    return ("malformed_instruction", "truncated_instruction")


def test_a_malformed_instruction_is_kept_and_not_answered(engine, templates):
    stream = generation.Stream(1, "pilot", 0)
    short = {**INSTRUCTION, "max_new_tokens": 1, "stop": ["\n"]}
    records = generation.write_instructions(engine, templates["instructions"], EXEMPLARS, short, stream, 4)
    assert {record["rejected_reason"] for record in records} == {"truncated_instruction"}
    answered = generation.write_answers(engine, templates["answers"], EXEMPLARS, ANSWER, stream, records)
    assert answered == records
    assert all(record["response"] == "" and record["response_tokens"] == 0 for record in answered)
    rows = generation.finished(answered, stream, "{}")
    assert len({row["record_id"] for row in rows}) == 4
    assert set(rows[0]) == set(schemas.RECORDS.names)


@pytest.mark.parametrize(
    "text, finish, reason",
    [
        (" owl", "eos", None),
        (" owl: a bird\n\n- **grey**", "stop", None),
        (" owl", "length", "length"),
        (" \n", "stop", "empty_response"),
        (" owl\nQuestion: Name a cat.", "eos", "delimiter_leak"),
    ],
)
def test_rejection(text, finish, reason):
    assert answers.rejection(answers.answer_columns([1, 2], Generation(text, (3, 4), finish))) == reason


def test_exemplars_are_drawn_for_each_seed():
    draws = [draw_exemplars(EXEMPLARS, 3, seed) for seed in range(20)]
    assert draws[0] == draw_exemplars(EXEMPLARS, 3, 0)
    assert len({tuple(item["instruction"] for item in drawn) for drawn in draws}) > 10
    with pytest.raises(InputError, match="shots = 6"):
        draw_exemplars(EXEMPLARS, 6, 0)


@pytest.mark.parametrize("text", ["exemplars: []", "exemplars: [{instruction: a}]", "- a", "exemplars: [b]"])
def test_wrong_exemplars_are_refused(tmp_path, text):
    path = tmp_path / "exemplars.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="exemplars"):
        load_exemplars(path)


def test_candidates_depend_on_instruction_and_number(engine, templates):
    how = {"candidates": 3, "sampling": {"temperature": 1.0, "max_new_tokens": 16, "stop": ["\nQuestion:"]}}
    asked = ["Repeat owl hen.", "Repeat bat cat.", "Repeat pig ant."]
    rows = candidates.sample(engine, templates["completion"], asked, how, 1)
    assert [(row["instruction"], row["candidate"]) for row in rows] == [
        (text, number) for text in asked for number in range(3)
    ]
    again = candidates.sample(engine, templates["completion"], asked[:0:-1], {**how, "candidates": 2}, 1)
    by_id = {row["record_id"]: row for row in rows}
    assert all(by_id[row["record_id"]] == row for row in again)
    assert candidates.sample(engine, templates["completion"], [], how, 1) == []


def test_shards_share_out_everything():
    for count in (0, 1, 5, 10):
        parts = [candidates.shard_slice(count, shard, 3) for shard in range(3)]
        assert [place for part in parts for place in part] == list(range(count))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
