"""Answers of any model to any prompts: decode, clean, and say why one cannot be used."""

from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.core import cleaning, hashing, prompts, usage
from workflow_scripts.core.engines import Engine, Generation, Sampling
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.progress import Progress


def sampling_of(settings: dict) -> Sampling:
    """Decoding parameters from a settings slice; keys that are no decoding parameter (shots) are left out."""
    names = ("max_new_tokens", "temperature", "top_p", "top_k")
    return Sampling(
        **{name: settings[name] for name in names if name in settings}, stop=tuple(settings["stop"])
    )


def guard_verdict(report: str | Path | None) -> dict | None:
    """What the contamination guard measured, for provenance: {metric: value}; None without a report."""
    if report is None:
        return None
    metrics = read_json(report)["metrics"]
    return {name: metric["value"] for name, metric in metrics.items()}


def continue_prompts(
    engine: Engine, texts: Sequence[str], seeds: Sequence[int], sampling: Sampling, label: str
) -> tuple[list[list[int]], list[Generation]]:
    """Tokenise each prompt once and continue it. Returns the token ids sent, and the generations."""
    ids = prompts.encode_all(engine.tokenizer, list(texts))
    counter = Progress(len(ids), "records", label, may_end=True)
    with usage.timed("generating_seconds"):
        generations = engine.generate(ids, list(seeds), sampling, counter)
    usage.count(
        prompt_tokens=sum(map(len, ids)),
        generated_tokens=sum(len(generation.token_ids) for generation in generations),
    )
    engine.audit.report(label)
    return ids, generations


def build_requests(engine: Engine, texts: Sequence[str], sampling: Sampling) -> dict:
    """Everything that `continue_prompts` does before the first token: counts of what would be sent.

    InputError for what the engine would refuse.
    """
    ids = prompts.encode_all(engine.tokenizer, list(texts))
    engine.audit.check(ids)
    lengths = [len(sent) for sent in ids]
    return {
        "requests": len(ids),
        "prompt_tokens": sum(lengths),
        "longest_prompt": max(lengths),
        "most_new_tokens": len(ids) * sampling.max_new_tokens,
    }


def answer_columns(sent: Sequence[int], generation: Generation) -> dict:
    """The columns that every answer has, whoever asked for it."""
    return {
        "prompt_sha256": hashing.token_ids_sha256(sent),
        "prompt_tokens": len(sent),
        "response_raw": generation.text,
        "response": cleaning.clean_response(generation.text),
        "finish_reason": generation.finish_reason,
        "response_tokens": len(generation.token_ids),
    }


def rejection(answer: dict) -> str | None:
    """Why an answer is unusable whatever it says: "empty_response", "length", "delimiter_leak", or None."""
    found = cleaning.problems("asked", answer["response"], answer["finish_reason"])
    return found[0] if found else None
