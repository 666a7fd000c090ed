"""The embedded base's tokenizer: byte-level BPE with Qwen2's own normalizer, pre-tokenizer and decoder."""

import json
from collections.abc import Iterable

END_OF_TEXT = "<|endoftext|>"


def train_tokenizer(texts: Iterable[str], vocabulary: int, model_max_length: int):
    """Train `vocabulary` tokens on texts. Returns a `Qwen2Tokenizer` whose eos and pad are `<|endoftext|>`.

    transformers loads the tokenizer of every Qwen2 model as `Qwen2Tokenizer`, which brings its own
    pre-tokenizer: trained with another one, the same files would give other ids.
    """
    from tokenizers import pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer = Qwen2Tokenizer()
    tokenizer.backend_tokenizer.train_from_iterator(texts, trainer)
    trained = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in trained["merges"]]
    return Qwen2Tokenizer(vocab=trained["vocab"], merges=merges, model_max_length=model_max_length)
