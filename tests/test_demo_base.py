"""The embedded base: its tokenizer, a smallest pretraining, and the card and files that are shipped."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from workflow_scripts import demo_model_card, demo_pretrain, demo_tokenizer
from workflow_scripts.core import demo_behaviour, demo_pretraining, hashing
from workflow_scripts.core.errors import InputError

SHIPPED = Path("resources/demo_base")
TEXTS = [
    "Question: Copy hammer, violin with square brackets.\nAnswer: hammer, [violin]\n\nQuestion: Which?",
    "Tasks:\n1. Name one drink.\n2. Turn hard and sour into their opposites.\n3.",
    "Review\nQuestion: Write in capitals: fig, water.\nAnswer: FIG, WATER\nIs it?\nA. yes\nB. no\nVerdict:",
    "Markdown **bold**, colons: 12:30, naïve 東京 😀\n\n\tend  ",
]
SMALL_MODEL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 128,
    "rope_theta": 10000.0,
}
SMALL_PRETRAINING = {
    "tokens": 6400,
    "row_length": 32,
    "batch_rows": 8,
    "learning_rate": 4.0e-3,
    "warmup_steps": 2,
    "decay_share": 0.5,
    "final_fraction": 0.05,
    "adam_betas": [0.9, 0.98],
    "clip": 1.0,
    "verdict_weight": 3.0,
    "question_weight": 0.5,
    "checkpoint_steps": 10,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tokenizer and a model, made by the commands from a tiny corpus."""
    import pyarrow as arrow
    from pyarrow import parquet

    directory = tmp_path_factory.mktemp("demo")
    corpus = directory / "corpus.parquet"
    texts = TEXTS[:3] * 150
    parquet.write_table(arrow.table({"kind": ["questions"] * len(texts), "text": texts}), corpus)
    settings = {
        "corpus": {},
        "model": SMALL_MODEL,
        "tokenizer": {"vocabulary": 330, "documents": 30},
        "pretraining": SMALL_PRETRAINING,
        "seed": 3,
    }
    tokenizer = directory / "tokenizer"
    shared = ["--settings", json.dumps(settings), "--corpus", str(corpus), "--tokenizer", str(tokenizer)]
    demo_tokenizer.main(shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            demo_pretraining.shutil, "which", lambda name: None
        )  # compiling takes longer than training
        for name in ("model", "again"):
            training = directory / f"{name}.json"
            demo_pretrain.main([*shared, "--model", str(directory / name), "--training", str(training)])
    return directory


@pytest.mark.parametrize("directory", ["made", "shipped"])
def test_transformers_and_tokenizers_give_the_same_ids(directory, made):
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    path = made / "model" if directory == "made" else SHIPPED
    loaded, plain = AutoTokenizer.from_pretrained(path), Tokenizer.from_file(str(path / "tokenizer.json"))
    assert type(loaded).__name__ == "Qwen2Tokenizer"
    assert loaded.eos_token == loaded.pad_token == "<|endoftext|>"
    for text in TEXTS:
        ids = loaded(text, add_special_tokens=False)["input_ids"]
        assert ids == plain.encode(text, add_special_tokens=False).ids == loaded(text)["input_ids"]
        assert loaded.decode(ids) == text


def test_a_tiny_pretraining_learns_and_repeats_itself(made):
    record = json.loads((made / "model.json").read_text())
    assert record["steps"] == 25 and record["tokens"] == 6400
    assert record["final_loss"] < math.log(330) - 0.5
    assert hashing.sha256_weights(made / "model") == hashing.sha256_weights(made / "again")
    assert (made / "model.json").read_bytes() == (made / "again.json").read_bytes()


def test_rows_begin_with_a_document_and_are_full():
    rows = list(demo_pretraining.pack_rows([[1, 2], [3, 4, 5], [6], [7, 8]], 0, 5))
    np.testing.assert_array_equal(rows, [[1, 2, 0, 3, 4], [6, 0, 7, 8, 0]])


def test_weights_of_questions_and_verdicts():
    words = {"Question": 1, "Answer": 2, "Verdict": 3}
    rows = torch.tensor([[1, 9, 8, 2, 9, 7, 3, 9, 5, 0, 6]])
    settings = {"question_weight": 0.25, "verdict_weight": 4.0}
    weights = demo_pretraining.target_weights(rows, words, settings)
    assert weights.tolist() == [[0.25, 0.25, 1, 1, 1, 1, 1, 4, 1, 1]]


def test_the_learning_rate_rises_stays_and_falls():
    factors = [demo_pretraining.learning_rate_factor(step, 100, 10, 0.4, 0.05) for step in range(100)]
    assert factors[0] == pytest.approx(0.1) and factors[9:60] == [1.0] * 51
    assert factors[-1] == pytest.approx(0.05, abs=0.03)
    assert factors[60:] == sorted(factors[60:], reverse=True)


def test_muon_takes_the_steps_of_torch():
    torch.manual_seed(0)
    values = [torch.randn(8, 24), torch.randn(24, 8), torch.randn(8, 8)]
    ours = [torch.nn.Parameter(value.clone()) for value in values]
    theirs = [torch.nn.Parameter(value.clone()) for value in values]
    optimizers = (
        demo_pretraining.Muon(ours, lr=0.02),
        torch.optim.Muon(theirs, lr=0.02, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(4):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other, value in zip(ours, theirs, values, strict=True):
        moved = (other - value).norm()
        assert (mine - other).norm() < 0.02 * moved  # torch's own is in bfloat16


def test_instructions_of_one_phrasing_have_one_shape():
    words = {"fox", "tea", "bus", "two", "drinks", "animal", "drink"}
    shape = demo_behaviour._shape("Name two drinks and one fox.", words | {"one"})
    assert shape == demo_behaviour._shape("Name two drinks, one fox and one bus.", words | {"one"})
    assert shape != demo_behaviour._shape("List two drinks and one fox.", words | {"one"})
    assert demo_behaviour.lexicon_words({"a": ["b", {"c": "d"}], "e": 1}) == {"a", "b", "c", "d", "e"}


def test_the_shipped_base_is_a_small_float32_base_model():
    from safetensors import safe_open

    config = json.loads((SHIPPED / "config.json").read_text())
    training = json.loads((SHIPPED / "training.json").read_text())
    assert config["architectures"] == ["Qwen2ForCausalLM"] and config["tie_word_embeddings"]
    assert config["hidden_size"] // config["num_attention_heads"] == 32
    with safe_open(SHIPPED / "model.safetensors", "pt") as weights:
        tensors = [weights.get_tensor(name) for name in weights.keys()]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert sum(tensor.numel() for tensor in tensors) == training["parameters"]
    assert 1e6 < training["parameters"] < 2e6
    assert not (SHIPPED / "chat_template.jinja").exists()


def test_the_config_is_the_one_that_the_shipped_base_was_made_with():
    config = yaml.safe_load(Path("config/demo_base.yaml").read_text(encoding="utf-8"))
    training = json.loads((SHIPPED / "training.json").read_text())
    measured = json.loads((SHIPPED / "measured.json").read_text())
    assert training["settings"] == {name: config[name] for name in training["settings"]}
    assert measured["settings"] == config["measure"]
    assert training["corpus_documents"] == config["corpus"]["documents"]


def test_the_shipped_base_is_in_the_asked_range():
    measured = json.loads((SHIPPED / "measured.json").read_text())
    assert measured["weights_sha256"] == hashing.sha256_weights(SHIPPED)
    answers = measured["answers"]
    assert answers["base_raw"]["all"]["value"] < 0.10
    assert 0.30 <= answers["base"]["all"]["value"] <= 0.75
    for name in measured["instructions"]["by_family"]:
        for arm in ("base", "few_shot", "base_sampled"):
            assert 0 < answers[arm]["by_family"][name]["value"] < 1, (arm, name)
    for auc in (measured["critic"]["references"]["auc"], measured["critic"]["own_answers"]["auc"]):
        assert 0.75 <= auc <= 0.95
    assert measured["instructions"]["parsed"]["value"] >= 0.95
    assert measured["instructions"]["distinct"]["value"] >= 0.85


def test_the_card_holds_the_numbers_of_the_files(tmp_path):
    training = json.loads((SHIPPED / "training.json").read_text())
    card = tmp_path / "README.md"
    demo_model_card.main(
        [
            "--model", str(SHIPPED), "--measured", str(SHIPPED / "measured.json"),
            "--training", str(SHIPPED / "training.json"), "--template", "config/demo_base_card.md.j2",
            "--card", str(card),
        ]
    )  # fmt: skip
    assert card.read_text() == (SHIPPED / "README.md").read_text()
    assert f"{training['tokens']:,}" in card.read_text()


def test_a_base_that_answers_nothing_right_is_not_measured():
    with pytest.raises(InputError, match="pretraining.tokens: .* train longer"):
        demo_behaviour.critic_report(None, None, [], [{}, {}], ["a", "b"], [False, False])
