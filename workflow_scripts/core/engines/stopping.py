"""Where a completion ends: at an end token, or at a stop string matched on text."""

import functools
from collections.abc import Sequence


def decode(tokenizer, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
    """The text of token ids, special tokens left out unless they are asked for."""
    return tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)


def cut_at_stop(text: str, stop: tuple[str, ...]) -> str | None:
    """The text before the earliest stop string, or None when there is none in it."""
    places = [place for place in map(text.find, stop) if place >= 0]
    return text[: min(places)] if places else None


@functools.lru_cache(maxsize=8)
def stop_endings(tokenizer, stop: tuple[str, ...]) -> frozenset[int]:
    """Tokens with which a stop string can become complete: only after these is the text searched.

    A stop string becomes complete with its last character, so with a token whose text holds that character,
    or holds part of a multi-byte one (decoded as U+FFFD). A final space may be hidden in a single token's
    text, so for such a stop string every token counts.
    """
    ids = range(len(tokenizer))
    if any(text[-1].isspace() and text[-1] != "\n" for text in stop):
        return frozenset(ids)
    last = {text[-1] for text in stop} | {"\ufffd"}
    texts = tokenizer.batch_decode([[token] for token in ids], clean_up_tokenization_spaces=False)
    return frozenset(token for token, text in zip(ids, texts, strict=True) if not last.isdisjoint(text))


def completion(
    tokenizer, ids: Sequence[int], end_tokens: frozenset[int], stop: tuple[str, ...], limit: int
) -> tuple[str, str] | None:
    """(text, finish reason) of a completion that is over with its last token, or None while it goes on.

    Reasons: "eos" after an end token, "stop" at a stop string (which is cut off), "length" at `limit` tokens.
    A character cut in half by the limit is left out.
    """
    if ids[-1] in end_tokens:
        return decode(tokenizer, ids[:-1]), "eos"
    if stop and ids[-1] in stop_endings(tokenizer, stop):
        text = cut_at_stop(decode(tokenizer, ids), stop)
        if text is not None:
            return text, "stop"
    if len(ids) == limit:
        return decode(tokenizer, ids).rstrip("\ufffd"), "length"
    return None


def first_completion(
    tokenizer, ids: Sequence[int], end_tokens: frozenset[int], stop: tuple[str, ...], limit: int
) -> tuple[str, str, int] | None:
    """(text, finish reason, number of tokens) of the completion that is over first as `ids` come one by one,
    as `completion` has it; None when it is not over with the last of them."""
    endings = stop_endings(tokenizer, stop) if stop else frozenset()
    for count, token in enumerate(ids, 1):
        if token in end_tokens or token in endings or count == limit:
            ended = completion(tokenizer, ids[:count], end_tokens, stop, limit)
            if ended is not None:
                return *ended, count
    return None
