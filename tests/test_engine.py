"""The transformers engine: exact in any batch, equal to the libraries' own results, ends on text."""

import random

import numpy as np
import pytest
import torch

from tests import tiny_models
from workflow_scripts.core.engines import Sampling, shared_prefixes
from workflow_scripts.core.engines.choosing import choose, uniform_draws
from workflow_scripts.core.engines.loading import load_engine
from workflow_scripts.core.engines.stopping import completion, cut_at_stop, decode
from workflow_scripts.core.engines.transformers_engine import _batches
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.prompts import encode

SETTINGS = {"backend": "transformers", "dtype": "float32", "batch_size": 64, "device": "cpu"}
GREEDY = Sampling(16, 0.0)
SAMPLED = Sampling(16, 1.0)
NUCLEUS = Sampling(16, 0.8, top_p=0.9, top_k=40, stop=("\n",))


@pytest.fixture(scope="module", params=["qwen2", "llama"])
def engine(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("models") / request.param
    make = {"qwen2": tiny_models.make_qwen2, "llama": tiny_models.make_llama}[request.param]
    return load_engine(SETTINGS, make(directory))


@pytest.fixture
def prompts():
    """Prompts of many lengths, a few of them twice (they share their reading) and a few a single token."""
    rng = random.Random(5)
    made = [[rng.randrange(1, 330) for _ in range(rng.randint(1, 40))] for _ in range(18)]
    return made + made[:6]


def generate(engine, prompts, seeds, sampling, batch_size):
    engine.batch_size = batch_size
    return engine.generate(prompts, seeds, sampling)


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED, NUCLEUS], ids=["greedy", "sampled", "nucleus"])
def test_a_record_gets_the_same_text_in_any_batch_and_order(engine, prompts, sampling):
    seeds = [10**6 * i + 7 for i in range(len(prompts))]
    expected = generate(engine, prompts, seeds, sampling, 1)
    order = list(range(len(prompts)))
    for batch_size in (7, 64):
        random.Random(batch_size).shuffle(order)
        shuffled = generate(
            engine, [prompts[i] for i in order], [seeds[i] for i in order], sampling, batch_size
        )
        assert [shuffled[order.index(i)] for i in range(len(order))] == expected
    if sampling is SAMPLED:
        assert expected[0] != expected[18], "one prompt, two seeds: two texts"


def test_greedy_equals_the_librarys_own_generate(engine, prompts):
    ours = generate(engine, prompts, [0] * len(prompts), GREEDY, 64)
    for prompt, generation in zip(prompts, ours, strict=True):
        theirs = engine.model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), do_sample=False,
            max_new_tokens=GREEDY.max_new_tokens,
        )  # fmt: skip
        assert list(generation.token_ids) == theirs[0, len(prompt) :].tolist()


def test_sampling_follows_the_models_distribution(engine):
    prompt, n = [5, 6, 7], 3000
    drawn = generate(engine, [prompt] * n, list(range(n)), Sampling(1, 1.0), 512)
    counts = np.bincount([g.token_ids[0] for g in drawn], minlength=engine.model.config.vocab_size)
    with torch.inference_mode():
        expected = engine.logits_alone(prompt).double().softmax(-1)[0].numpy()
    assert np.abs(counts / n - expected).max() < 0.03


@pytest.fixture
def scripted(engine, monkeypatch):
    """Makes the model say a text, whatever the prompt: its logits follow a script of token ids."""

    def script(ids):
        def choose_next(batch, logits, step):
            return [ids[step]] * len(batch.active)

        monkeypatch.setattr("workflow_scripts.core.engines.decoding.Batch._choose", choose_next)

    return script


def say(engine, scripted, text, stop, end=True, limit=None):
    ids = encode(engine.tokenizer, text) + [engine.tokenizer.eos_token_id] * end
    scripted(ids)
    return engine.generate([[5, 6]], [0], Sampling(limit or len(ids), 0.0, stop=stop))[0]


def test_an_answer_with_colons_blank_lines_and_markdown_survives(engine, scripted):
    answer = " # Title:\n\n- first: one\n\n**bold**: `code:`\nA question: which?\n\nAnswer: x"
    made = say(engine, scripted, answer, ("\nQuestion:",))
    assert (made.text, made.finish_reason) == (answer, "eos")
    assert made.token_ids[-1] == engine.tokenizer.eos_token_id


@pytest.mark.parametrize("stop", ["\nQuestion:", "\n\n", "e?", ": ", "日本"])
def test_stop_strings_end_the_text_where_they_begin(engine, scripted, stop):
    answer = " one: owl\nQuestion: which one?\n\n日本語 and more text"
    made = say(engine, scripted, answer, (stop,))
    assert (made.text, made.finish_reason) == (answer[: answer.index(stop)], "stop")
    assert len(made.token_ids) < len(encode(engine.tokenizer, answer))


def test_the_earliest_of_several_stop_strings_counts():
    assert cut_at_stop("a b c d", ("d", "c d", "x")) == "a b "
    assert cut_at_stop("a b", ("x",)) is None


def test_characters_of_several_tokens_come_out_whole(engine, scripted):
    answer = " naïve 東京 😀 Zoë"
    assert len(encode(engine.tokenizer, " 🦉")) > 2
    assert say(engine, scripted, answer + " 🦉", ("\n",)).text == answer + " 🦉"
    half = len(encode(engine.tokenizer, answer + " 🦉")) - 1
    cut = say(engine, scripted, answer + " 🦉", ("\n",), limit=half)
    assert (cut.text, cut.finish_reason) == (answer + " ", "length")


def test_a_stop_string_made_by_the_last_allowed_token_counts_as_stop(engine):
    ids = encode(engine.tokenizer, "ab\n")
    assert completion(engine.tokenizer, ids, frozenset({0}), ("\n",), len(ids)) == ("ab", "stop")


def test_special_tokens_are_skipped_in_text(engine):
    assert decode(engine.tokenizer, [*encode(engine.tokenizer, "ab"), 0]) == "ab"


def test_choice_logprobs_equal_a_log_softmax_by_hand_and_do_not_depend_on_packing(engine):
    text = "Review\nQuestion: Name two birds.\nAnswer: {}\nIs every word right?\nA. {}\nB. {}\nVerdict:"
    prompts = [
        encode(engine.tokenizer, text.format(answer, *labels))
        for answer in ("owl, crow", "cold", "an apple")
        for labels in (("yes", "no"), ("no", "yes"))
    ] + [[9], [9, 10, 11], [9, 10]]
    choices = [34, 35, 60]
    with torch.inference_mode():
        by_hand = np.array(
            [
                engine.model(torch.tensor([prompt])).logits[0, -1].double().log_softmax(-1)[choices].numpy()
                for prompt in prompts
            ]
        )
    for batch_size in (1, 7, 64):
        engine.batch_size = batch_size
        assert np.abs(engine.choice_logprobs(prompts, choices) - by_hand).max() < 2e-5
    assert engine._shares_prefixes is True
    engine._shares_prefixes = False
    assert np.abs(engine.choice_logprobs(prompts, choices) - by_hand).max() < 2e-5
    engine._shares_prefixes = None


def test_common_beginnings_are_computed_once():
    prompts = [[1, 2, 3, 4, 5], [1, 2, 3, 6, 7], [9, 9], [1, 2, 3]]
    first, second, third = shared_prefixes.pack(prompts, most=8)
    assert (first.prompts, second.prompts, third.prompts) == ([0, 1], [2], [3])
    assert first.tokens == [1, 2, 3, 4, 6, 5, 7]
    assert first.positions == [0, 1, 2, 3, 3, 4, 4]
    assert first.parents == [-1, 0, 1, 2, 2, 3, 4]
    ids, positions, mask, ends = shared_prefixes.pack_batch([first, second], pad=0)
    assert ids.tolist() == [[1, 2, 3, 4, 6, 5, 7], [0, 0, 0, 0, 0, 9, 9]]
    assert ends == 2
    assert mask[0, 0, 6].tolist() == [True, True, True, False, True, False, True]


def test_batches_hold_every_prompt_once_and_end_at_a_length_when_half_full():
    prompts = [[1] * length for length in (5, 2, 2, 2, 3, 5, 9, 2, 2)]
    batches = _batches(prompts, 4)
    assert batches == [[1, 2, 3, 7], [8, 4], [0, 5], [6]]
    assert _batches(prompts, 1) == [[i] for i in (1, 2, 3, 7, 8, 4, 0, 5, 6)]


class Count:
    def __init__(self):
        self.done = 0

    def advance(self, n):
        self.done += n


def test_progress_counts_every_prompt(engine, prompts):
    count = Count()
    engine.generate(prompts, list(range(len(prompts))), GREEDY, count)
    assert count.done == len(prompts)
    engine.choice_logprobs(prompts, [1, 2], count)
    assert count.done == 2 * len(prompts)


def test_no_prompts_give_nothing(engine):
    assert engine.generate([], [], GREEDY) == []
    assert engine.choice_logprobs([], [1, 2]).shape == (0, 2)


def test_a_prompt_without_room_is_refused(engine):
    with pytest.raises(InputError, match="max_new_tokens = 16: the longest prompt has 1020 tokens"):
        engine.generate([[5] * 1020], [0], GREEDY)


def test_the_identity_holds_nothing_that_varies(engine):
    assert engine.identity["name"] == "transformers"
    assert engine.identity["dtype"] == "float32"
    assert engine.identity["device"] == "cpu"
    assert "batch_size" not in engine.identity


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": -1}, {"top_p": 0}, {"top_p": 1.5}, {"top_k": -1}, {"max_new_tokens": 0}, {"stop": [""]}],
    ids=str,
)
def test_wrong_sampling_is_refused_by_field(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Sampling(**{"max_new_tokens": 4, "temperature": 1.0, **wrong})


def test_an_unknown_backend_is_refused(tmp_path):
    with pytest.raises(InputError, match="engine.backend = 'other'"):
        load_engine({**SETTINGS, "backend": "other"}, tmp_path)


def test_an_adapter_is_put_on_the_model(tmp_path):
    from peft import LoraConfig, get_peft_model

    from workflow_scripts.core.models import load_model

    base = tiny_models.make_qwen2(tmp_path / "base")
    network = get_peft_model(load_model(base), LoraConfig(r=4, target_modules="all-linear"))
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5, generator=torch.Generator().manual_seed(len(name)))
    network.save_pretrained(tmp_path / "adapter")
    merged = network.merge_and_unload()
    ids = [[5, 6, 7, 8]]
    engine = load_engine(SETTINGS, base, adapter=tmp_path / "adapter")
    expected = merged(torch.tensor(ids)).logits[0, -1].double().log_softmax(-1)[[1, 2, 3]]
    assert np.abs(engine.choice_logprobs(ids, [1, 2, 3]) - expected.detach().numpy()).max() < 1e-3
    plain = load_engine(SETTINGS, base)
    assert engine.generate(ids, [0], GREEDY) != plain.generate(ids, [0], GREEDY)


def test_draws_are_a_prefix_of_a_longer_stream_and_differ_by_seed():
    assert uniform_draws(3, 5).tolist() == uniform_draws(3, 9)[:5].tolist()
    assert uniform_draws(3, 5).tolist() != uniform_draws(4, 5).tolist()
    assert uniform_draws(2**63 - 1, 1).shape == (1,)


def test_inverse_cdf_by_hand():
    logits = torch.tensor([[0.5, 0.2, 0.3]]).log().repeat(4, 1)
    draws = torch.tensor([0.1, 0.49999999, 0.6, 0.99], dtype=torch.float64)
    tokens, doubtful = choose(logits, draws, SAMPLED, 1e-4)
    assert tokens.tolist() == [0, 0, 1, 2]
    assert doubtful.tolist() == [False, True, False, False]


def test_top_k_and_top_p_keep_the_likeliest():
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log().repeat(50, 1)
    draws = torch.linspace(0.001, 0.999, 50, dtype=torch.float64)
    for sampling, kept in (
        (Sampling(1, 1.0, top_k=2), {1, 3}),
        (Sampling(1, 1.0, top_p=0.65), {1, 3}),
        (Sampling(1, 1.0, top_p=0.75), {1, 2, 3}),
        (Sampling(1, 1.0, top_p=0.3), {1}),
        (Sampling(1, 1.0, top_k=3, top_p=0.99), {1, 2, 3}),
    ):
        assert set(choose(logits, draws, sampling, 0.0)[0].tolist()) == kept, sampling


def test_a_change_of_the_kept_set_is_doubtful():
    logits = torch.tensor([[1.0, 2.0, 2.00001, 0.0]])
    draw = torch.tensor([0.2], dtype=torch.float64)
    assert choose(logits, draw, Sampling(1, 1.0, top_k=1), 1e-4)[1].item()
    assert not choose(logits, draw, Sampling(1, 1.0, top_k=3), 1e-4)[1].item()
    assert choose(logits, None, GREEDY, 1e-4)[1].item()
    assert choose(logits, None, GREEDY, 1e-4)[0].item() == 2
