"""Tiny random models for tests: real architectures, real tokenizers, saved as Hugging Face directories.

make_qwen2(path, seed=0)    Qwen2, hidden 64, 2 layers, Qwen2Tokenizer
make_llama(path, seed=0)    Llama, hidden 64, 2 layers, the same byte-level BPE as PreTrainedTokenizerFast
"""

import json
from pathlib import Path

END_OF_TEXT = "<|endoftext|>"
# A few lines in the manner of the prompts, with capitals, digits, Markdown, colons and multi-byte characters.
TRAINING_TEXT = [
    "Question: Which is red: apple, grass or sky?\nAnswer: apple\n\n"
    "Question: Name two birds.\nAnswer: owl, crow\n\n",
    "Tasks:\n1. Name three animals.\n2. Write dog in capitals.\n3. Repeat owl crow 2 times.\n4.",
    "Review\nQuestion: What is the opposite of hot?\nAnswer: cold\n"
    "Is every word right?\nA. yes\nB. no\nVerdict: A\n\n",
    "# Title\n\n- first: one\n- second: two\n\n**bold** `code` [link](address) DOG OWL 0123456789\n",
    "Ein Käfer für Zoë, naïve café, 東京 日本語 Привет мир, 😀 🎉.\n",
]
SIZES = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 128,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
    "initializer_range": 0.2,  # wide: a random model with clear preferences
}


def train_tokenizer():
    """Train a byte-level BPE (about 330 tokens) with Qwen2's own normalizer, pre-tokenizer and decoder.

    Returns a `Qwen2Tokenizer` whose eos and pad token are `<|endoftext|>`.
    """
    from tokenizers import pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer = Qwen2Tokenizer()
    tokenizer.backend_tokenizer.train_from_iterator(TRAINING_TEXT * 4, trainer)
    return Qwen2Tokenizer(**_vocabulary_and_merges(tokenizer), model_max_length=1024)


def _vocabulary_and_merges(tokenizer) -> dict:
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(merge) for merge in model["merges"]]}


def make_qwen2(path: str | Path, seed: int = 0, special_tokens: tuple[str, ...] = (), **overrides) -> Path:
    """Write a random Qwen2 model directory (float32 safetensors). `overrides` replace config fields.

    `special_tokens` are added to the vocabulary.
    """
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = train_tokenizer()
    if special_tokens:
        tokenizer.add_special_tokens({"additional_special_tokens": list(special_tokens)})
    return _save(path, seed, Qwen2Config, Qwen2ForCausalLM, tokenizer, overrides)


def make_llama(path: str | Path, seed: int = 0, **overrides) -> Path:
    """Write a random Llama model directory (float32 safetensors). `overrides` replace config fields."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer().backend_tokenizer, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT
    )
    return _save(path, seed, LlamaConfig, LlamaForCausalLM, tokenizer, overrides)


def _save(path, seed, config_class, model_class, tokenizer, overrides) -> Path:
    import torch

    path = Path(path)
    end = tokenizer.convert_tokens_to_ids(END_OF_TEXT)
    config = config_class(
        **{
            **SIZES,
            "vocab_size": len(tokenizer),
            "bos_token_id": None,
            "eos_token_id": end,
            "pad_token_id": end,
            **overrides,
        }
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config).to(torch.float32)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
