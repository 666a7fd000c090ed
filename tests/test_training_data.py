"""Training rows as tokens, and what is refused before anything is trained."""

import pytest

from tests import tiny_models, training_files
from workflow_scripts.core import models, prompts, training_data
from workflow_scripts.core.errors import InputError

ROWS = [{"prompt": "Question: Name two birds.\nAnswer:", "completion": " owl, crow"}]


@pytest.fixture(scope="module", params=["qwen2", "llama"])
def tokenizer(request, tmp_path_factory):
    path = getattr(tiny_models, f"make_{request.param}")(tmp_path_factory.mktemp("model") / request.param)
    return models.load_tokenizer(path)


def test_labels_are_masked_on_the_prompt_and_end_in_eos(tokenizer):
    (row,) = training_data.sft_features(tokenizer, ROWS, 64, "rows")
    prompt = len(prompts.encode(tokenizer, ROWS[0]["prompt"]))
    assert row["labels"][:prompt] == [training_data.IGNORED] * prompt
    assert row["labels"][prompt:] == row["input_ids"][prompt:]
    assert tokenizer.decode(row["input_ids"][prompt:-1]) == " owl, crow"
    assert row["labels"][-1] == tokenizer.eos_token_id


def test_pairs_share_the_prompt_and_both_end_in_eos(tokenizer):
    rows = [{"prompt": "Question: Go.\nAnswer:", "chosen": " yes", "rejected": " no, never"}]
    (row,) = training_data.dpo_features(tokenizer, rows, 64, "rows")
    assert row["prompt_ids"] == prompts.encode(tokenizer, rows[0]["prompt"])
    assert row["chosen_ids"][-1] == row["rejected_ids"][-1] == tokenizer.eos_token_id
    assert tokenizer.decode(row["rejected_ids"][:-1]) == " no, never"
    assert training_data.row_lengths([row]) == [len(row["prompt_ids"]) + len(row["rejected_ids"])]


def test_a_row_that_would_be_cut_is_refused_with_the_length_it_needs(tokenizer):
    length = len(training_data.sft_features(tokenizer, ROWS, 64, "rows")[0]["input_ids"])
    training_data.sft_features(tokenizer, ROWS, length, "rows")
    with pytest.raises(InputError, match=f"set max_length to {length} or more"):
        training_data.sft_features(tokenizer, ROWS, length - 1, "rows.parquet")


def test_a_prompt_that_loses_a_token_to_its_completion_is_refused(tokenizer):
    rows = [{"prompt": "Question: Which is red?\nAnswer: ap", "completion": "ple"}]
    with pytest.raises(InputError, match="row 0"):
        training_data.sft_features(tokenizer, rows, 64, "rows")


def test_a_plain_call_adds_no_special_token():
    from tokenizers.processors import TemplateProcessing

    from tests.tiny_models import END_OF_TEXT, train_tokenizer

    tokenizer = train_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, tokenizer.eos_token_id)]
    )
    bare = prompts.encode(tokenizer, "Name two birds.")
    assert tokenizer("Name two birds.")["input_ids"] == [tokenizer.eos_token_id, *bare]
    assert training_data.without_special_tokens(tokenizer)("Name two birds.")["input_ids"] == bare


def test_prompts_of_another_template_are_refused(tmp_path):
    template = prompts.load_template(training_files.write_template(tmp_path / "completion.j2"))
    rows = [{"instruction": "Go.", "prompt": "Question: Go.\nAnswer:"}]
    training_data.check_prompts(rows, template, "rows")
    with pytest.raises(InputError, match="prompt of row 0"):
        training_data.check_prompts([{**rows[0], "prompt": "Q: Go.\nA:"}], template, "rows")
    with pytest.raises(InputError, match="nothing to train on"):
        training_data.check_prompts([], template, "rows")


def test_a_trainer_that_dropped_or_changed_rows_is_caught():
    from datasets import Dataset

    features = [{"input_ids": [1, 2], "labels": [-100, 2]}, {"input_ids": [3, 4], "labels": [-100, 4]}]
    training_data.check_features(Dataset.from_list(features), features)
    for wrong in (features[:1], [features[0], {"input_ids": [3, 4], "labels": [3, 4]}]):
        with pytest.raises(RuntimeError, match="TRL prepared"):
            training_data.check_features(Dataset.from_list(wrong), features)
