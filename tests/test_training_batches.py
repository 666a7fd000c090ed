"""Batches by length and packed batches: less padding, and for each token the loss it has alone."""

import pytest
import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from tests import tiny_models, training_files
from workflow_scripts.core import models, schemas, training_callbacks, training_data, training_packing
from workflow_scripts.core.errors import InputError

BATCH = 8


@pytest.fixture(scope="module", params=["qwen2", "llama"])
def case(request, tmp_path_factory):
    """(model, features of 40 examples of different lengths)."""
    directory = tmp_path_factory.mktemp("batches")
    make = getattr(tiny_models, f"make_{request.param}")
    path = make(directory / "base", tie_word_embeddings=False)
    rows = schemas.read_records(
        training_files.write_examples(directory / "train.parquet"), schemas.SFT_EXAMPLES
    )
    tokenizer = training_data.without_special_tokens(models.load_tokenizer(path))
    features = training_data.sft_features(tokenizer, rows, 64, "rows")
    return models.load_model(path, "float32", "cpu"), features


def token_losses(model, batch) -> torch.Tensor:
    """The loss of every trained token of a batch, in its order, float32 [tokens]."""
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "position_ids") if name in batch}
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits[:, :-1]
    labels = batch["labels"][:, 1:]
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=training_data.IGNORED, reduction="none"
    )
    return losses[labels.flatten() != training_data.IGNORED]


def collators():
    return {
        "length_grouped": DataCollatorForLanguageModeling(pad_token_id=0),
        "packed": DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True),
    }


@pytest.mark.parametrize("batching", ["length_grouped", "packed"])
def test_each_token_has_the_loss_that_it_has_alone(case, batching):
    model, features = case
    collate, alone = collators()[batching], collators()["length_grouped"]
    lengths = training_data.row_lengths(features)
    order = list(training_callbacks.LengthGroupedSampler(lengths, BATCH, seed=3))
    seen = 0
    for start in range(0, len(order), BATCH):
        rows = [features[place] for place in order[start : start + BATCH]]
        expected = torch.cat([token_losses(model, alone([row])) for row in rows])
        found = token_losses(model, collate(rows))
        assert torch.allclose(found, expected, atol=2e-5), (found - expected).abs().max()
        seen += len(found)
    assert seen == sum(label != training_data.IGNORED for row in features for label in row["labels"])


def test_packed_batches_hold_no_padding_and_batches_by_length_little(case):
    _, features = case
    lengths = training_data.row_lengths(features)
    tokens = sum(lengths)

    def places(order, collate) -> int:
        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        return sum(collate([features[place] for place in batch])["input_ids"].numel() for batch in batches)

    by_length = list(training_callbacks.LengthGroupedSampler(lengths, BATCH, seed=3))
    as_they_come = list(range(len(features)))
    assert places(by_length, collators()["packed"]) == tokens
    padded = places(by_length, collators()["length_grouped"]) - tokens
    assert padded < 0.5 * (places(as_they_come, collators()["length_grouped"]) - tokens)


def test_a_model_that_does_not_keep_packed_examples_apart_is_refused(case):
    model, features = case
    training_packing.check_masks(model, features)

    class OneText(torch.nn.Module):
        """Sees all that stands before a token, as an attention without these masks does."""

        device = model.device

        def forward(self, input_ids, position_ids, use_cache):
            return model(input_ids=input_ids, use_cache=use_cache)

    with pytest.raises(InputError, match="sft.batching = 'packed': .* use length_grouped"):
        training_packing.check_masks(OneText(), features)


def test_pairs_are_given_to_the_reference_by_length():
    rows = [{"name": name} for name in "abcd"]
    features = [
        {"prompt_ids": [1] * prompt, "chosen_ids": [2] * chosen, "rejected_ids": [3]}
        for prompt, chosen in ((5, 2), (1, 1), (4, 3), (1, 2))
    ]
    ordered, same = training_data.by_length(rows, features)
    assert [row["name"] for row in ordered] == ["b", "d", "a", "c"]
    assert training_data.row_lengths(same) == [2, 3, 7, 7]
