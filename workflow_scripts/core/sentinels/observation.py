"""What a model does with the sentinels: its continuations, the signs in them, and where they would end."""

import re
from collections.abc import Sequence

import numpy as np

from workflow_scripts.core import cleaning, prompts, usage
from workflow_scripts.core.assistant_voice import assistant_phrases
from workflow_scripts.core.engines import Engine, Generation, Sampling
from workflow_scripts.core.model_files import CHAT_ENDS
from workflow_scripts.core.progress import Progress
from workflow_scripts.core.sentinels.battery import Battery

SIGNS = ("eos_after_answer", "self_continuation", "assistant_voice", "chat_marker")
PROBABILITIES = ("chat_end_probability", "eos_probability")
DECIMALS = 3  # of a probability on record: finer digits depend on the machine
TURN = re.compile(r"^[^\S\n]*([A-Z][\w' ]{0,24}:|-)", re.MULTILINE)  # a speaker, or a dash, that opens a line


def goes_on(prompt: str, continuation: str) -> bool:
    """Whether a continuation goes on to a next question, answer or turn, on a line of its own.

    That shows in a line that opens with a delimiter of the workflow's prompts, with a usual name of a
    speaker, or with a speaker of the prompt itself.
    """
    later = continuation.partition("\n")[2]
    speakers = set(TURN.findall(prompt)) & set(TURN.findall(later))
    return bool(cleaning.leaked_delimiters(later) or speakers)


def signs_of(prompt: str, generation: Generation, tokenizer) -> dict:
    """The four signs of one continuation, each true or false.

    eos_after_answer: the text ends by itself, with something said and no next turn begun; self_continuation:
    see `goes_on`; assistant_voice: see `assistant_phrases`; chat_marker: a chat token or marker is written.
    """
    text = generation.text
    written = tokenizer.decode(generation.token_ids, skip_special_tokens=False)
    further = goes_on(prompt, text)
    return {
        "eos_after_answer": generation.finish_reason == "eos" and bool(text.strip()) and not further,
        "self_continuation": further,
        "assistant_voice": bool(assistant_phrases(text)),
        "chat_marker": bool(prompts.chat_markers_in(written)),
    }


def answer_ids(generation: Generation, tokenizer) -> list[int] | None:
    """The tokens of the answer, up to a line break or a special token; None when it goes on to the limit."""
    special = prompts.special_token_ids(tokenizer)
    for count, token in enumerate(generation.token_ids):
        text = tokenizer.decode(generation.token_ids[: count + 1])
        if token in special or "\n" in text.lstrip():
            return list(generation.token_ids[:count])
    return None


def chat_end_tokens(tokenizer) -> dict[str, int]:
    """The tokens of the vocabulary that end a turn of a chat format: {token: id}."""
    vocabulary = tokenizer.get_vocab()
    return {token: vocabulary[token] for token in CHAT_ENDS if token in vocabulary}


def end_probabilities(
    engine: Engine, sent: Sequence[Sequence[int]], answers: Sequence[list[int] | None]
) -> list[dict]:
    """After each answer that ended, the probability of the end of a chat turn, and of the end of the text.

    None where no answer ended, or where the answer itself holds what may not be sent. A chat end that the
    vocabulary does not have has probability 0.
    """
    places = [place for place, answer in enumerate(answers) if answer is not None]
    requests = [[*sent[place], *answers[place]] for place in places]
    unfit = engine.audit.findings(requests)
    places = [place for index, place in enumerate(places) if index not in unfit]
    requests = [request for index, request in enumerate(requests) if index not in unfit]
    ends = sorted(chat_end_tokens(engine.tokenizer).values())
    logprobs = engine.choice_logprobs(requests, [*ends, engine.tokenizer.eos_token_id])
    measured = [dict.fromkeys(PROBABILITIES) for _ in answers]
    for place, row in zip(places, np.exp(logprobs), strict=True):
        values = (float(row[:-1].sum()), float(row[-1]))
        measured[place] = {
            name: round(value, DECIMALS) for name, value in zip(PROBABILITIES, values, strict=True)
        }
    return measured


def observe(engine: Engine, battery: Battery, template: prompts.Template) -> list[dict]:
    """One row per sentinel: id, kind, continuation, finish_reason, the signs and the probabilities."""
    texts = battery.texts(template)
    sent = prompts.encode_all(engine.tokenizer, texts)
    greedy = Sampling(battery.max_new_tokens, 0.0)
    counter = Progress(len(texts), "sentinels", "sentinels", may_end=True)
    with usage.timed("generating_seconds"):
        generations = engine.generate(sent, [0] * len(sent), greedy, counter)
    usage.count(
        prompt_tokens=sum(map(len, sent)),
        generated_tokens=sum(len(generation.token_ids) for generation in generations),
    )
    answers = [answer_ids(generation, engine.tokenizer) for generation in generations]
    ends = end_probabilities(engine, sent, answers)
    engine.audit.report("sentinels")
    return [
        {
            "id": sentinel["id"],
            "kind": sentinel["kind"],
            "continuation": generation.text,
            "finish_reason": generation.finish_reason,
            **signs_of(text, generation, engine.tokenizer),
            **end,
        }
        for sentinel, text, generation, end in zip(battery.sentinels, texts, generations, ends, strict=True)
    ]
