"""A model once through everything, on few prompts: does it load, generate and judge here, and how fast.

What is measured is of this machine at this moment. It is meant for the projection of the budget, and no
result rests on it.
"""

import math
import os
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from workflow_scripts.core import (
    answers,
    contamination,
    exemplars,
    hashing,
    models,
    prompts,
    verdicts,
)
from workflow_scripts.core.budget.catalogue import load_catalogue
from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.engines import Engine, Sampling
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.model_files import inspect_base
from workflow_scripts.core.runtime import say

WARM_UP = 4  # prompts and tokens that are not timed
DECODING_SHARE = 0.25  # of the seconds of a generation, at least: prompts take the rest


def price_of(budget: dict, catalogue) -> float:
    """Dollars an hour of the GPU that the run is planned for."""
    return budget["price"] or load_catalogue(catalogue).gpu(budget["gpu"]).dollars_per_hour


@contextmanager
def time_limit(seconds: float, dollars: float):
    """Ends the process, with one line, when the body takes longer than the money allows; yields a stopwatch.

    From a thread, as a model that is being loaded hears no signal. The stopwatch returns seconds so far.
    """

    def end():
        say(f"smoke: error: smoke.dollars = {dollars:g}: stopped after {seconds:.0f} s, before more is spent")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    start = time.monotonic()
    timer.start()
    try:
        yield lambda: time.monotonic() - start
    finally:
        timer.cancel()


def base_directory(base: dict) -> Path:
    """The base's files, downloaded if need be, and checked to be a base: see `inspect_base`."""
    name, revision = base["repo"] or base["path"], base["revision"] if base["repo"] else None
    directory = models.local_directory(models.ModelReference(name, revision, name))
    inspect_base(directory, repo=base["repo"], accept_chat_template=base["accept_chat_template"])
    return directory


def few_shot_prompts(settings: dict, template, shown: Sequence[dict], purpose: str) -> list[str]:
    """Prompts as shards have them, each with an exemplar's instruction and others as examples."""
    texts, shots = [], settings["generation"]["answer"]["shots"]
    for place in range(settings["smoke"]["prompts"]):
        seed = hashing.derive_seed(settings["seed"], "smoke", purpose, place)
        drawn = exemplars.draw_exemplars(shown, shots, seed)
        asked = shown[place % len(shown)]["instruction"]
        texts.append(prompts.render(template, exemplars=drawn, instruction=asked))
    return texts


def check_guard(engine: Engine, texts: Sequence[str]) -> int:
    """The contamination guard on these prompts: finds nothing in them, and all of them in chat formats.

    Returns how many were looked at. InputError where it finds something, or is blind.
    """
    found = contamination.findings(engine.audit, texts)
    if found:
        remedy = (
            f"it holds {(found[0]['tokens'] + found[0]['markers'])[0]}: take it out of what it is made of"
        )
        raise InputError(field="prompt", value=found[0]["prompt"][:80], remedy=remedy)
    for name, part in contamination.negative_control(engine.audit, {"smoke": list(texts)}).items():
        if part["found"] < part["wrapped"]:
            remedy = f"{part['wrapped']} prompts were wrapped in it: the guard does not know its markers"
            raise InputError(field=f"guard found {name}", value=part["found"], remedy=remedy)
    return len(texts)


def measure_generation(engine: Engine, settings: dict, template, shown: Sequence[dict]) -> dict:
    """Rates of prompts and of new tokens, in tokens a second, on two sets of prompts.

    The first set is only read (one new token each). The second is answered; what reading it took at that
    rate is taken off. Other prompts, as an engine may remember those it has read.
    """
    how = answers.sampling_of(settings["generation"]["answer"])
    read, asked = (few_shot_prompts(settings, template, shown, purpose) for purpose in ("read", "asked"))
    ids = prompts.encode_all(engine.tokenizer, read)
    engine.generate(ids[:WARM_UP], [0] * len(ids[:WARM_UP]), Sampling(WARM_UP, 0.0))
    start = time.monotonic()
    engine.generate(ids[WARM_UP:], [0] * len(ids[WARM_UP:]), Sampling(1, 0.0))
    prompt_rate = sum(map(len, ids[WARM_UP:])) / (time.monotonic() - start)
    seeds = [hashing.derive_seed(settings["seed"], "smoke", place) for place in range(len(asked))]
    start = time.monotonic()
    sent, generations = answers.continue_prompts(engine, asked, seeds, how, "smoke: answers")
    seconds = time.monotonic() - start
    decoding = max(seconds - sum(map(len, sent)) / prompt_rate, DECODING_SHARE * seconds)
    generated = sum(len(generation.token_ids) for generation in generations)
    return {
        "prompts": len(asked),
        "prompt_tokens": sum(map(len, sent)),
        "generated_tokens": generated,
        "prompt_tokens_per_second": prompt_rate,
        "generated_tokens_per_second": generated / decoding,
        "responses": [generation.text for generation in generations],
    }


def check_critic(engine: Engine, template, constitution, shown: Sequence[dict]) -> int:
    """The critic judges exemplars' own answers. Returns how many; InputError where a margin is no number."""
    pairs = [(item["instruction"], item["response"]) for item in shown[:WARM_UP]]
    principles = load_constitution(constitution)
    for judgement in verdicts.judge_distinct(engine, template, principles, pairs, "smoke: verdicts"):
        if not math.isfinite(judgement.margin):
            raise InputError(field="critic's margin", value=judgement.margin, remedy="try another precision")
    return len(pairs)


def used_gpu_bytes() -> int:
    """What is in use on this job's GPU, by whatever process; 0 without one."""
    import torch

    if not torch.cuda.is_available():
        return 0
    free, total = torch.cuda.mem_get_info()
    return total - free
