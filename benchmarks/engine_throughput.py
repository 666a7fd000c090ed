"""Tokens a second through the workflow's modules beside the bare engine, on the same prompts, both engines.

    python -m benchmarks.engine_throughput --engines transformers vllm

Through the modules: `generation.write_answers` and `generation.judge_records`, from instructions to records
(prompts rendered, tokenised and looked at, texts cut and cleaned, verdicts rounded). Bare: `LLM.generate` of
vLLM, and transformers' own `generate` and forward pass on batches sorted by length, given the token ids that
the modules sent. The two take turns in one process, each first in every other round, and each round gives a
ratio: seconds depend on the machine and on what runs beside. Prints one Markdown table with the median ratio
and its 95 % interval (order statistics: Conover, Practical Nonparametric Statistics, 3rd ed., p. 143).
"""

import argparse
import contextlib
import io
import statistics
import time

import scipy.stats
import torch

from workflow_scripts.core import constitution, exemplars, generation, prompts, runtime, task_splits, tasks
from workflow_scripts.core.engines.loading import load_engine

BASE = "resources/demo_base"
ENGINE = {"dtype": "float32", "device": "auto", "batch_size": 128}
ANSWER = {"shots": 4, "max_new_tokens": 32, "top_p": 1.0, "top_k": 0}
KINDS = {"greedy answers": 0.0, "sampled answers": 0.8}


class Listening:
    """An engine that remembers what it was last asked: `asked` holds the arguments."""

    def __init__(self, engine):
        self.engine, self.tokenizer, self.audit, self.asked = engine, engine.tokenizer, engine.audit, None
        self.choice_noise = engine.choice_noise

    def generate(self, *arguments):
        self.asked = arguments
        return self.engine.generate(*arguments)

    def choice_logprobs(self, *arguments):
        self.asked = self.asked if len(arguments[0]) == 1 else arguments
        return self.engine.choice_logprobs(*arguments)


def instructions(count: int) -> list[dict]:
    """Records that are to be answered."""
    source = tasks.load_tasks("config/tasks/microworld.yaml")
    items = task_splits.draw_splits(source, {"test": count, "dev": 10, "calibration": 10}, 3)
    chosen = [item["instruction"] for item in items if item["split"] == "test"]
    return [
        {"index": place, "instruction": text, "rejected_reason": None} for place, text in enumerate(chosen)
    ]


def sorted_batches(sent, size: int):
    """Left-padded batches (ids, mask) of prompts in order of their length."""
    ordered = sorted(sent, key=len)
    for start in range(0, len(ordered), size):
        batch = ordered[start : start + size]
        width = max(map(len, batch))
        ids = torch.tensor([[0] * (width - len(ids)) + list(ids) for ids in batch])
        yield ids, torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in batch])


@torch.inference_mode()
def bare_transformers(engine, sent, sampling=None, **_) -> int:
    """transformers' own generate, or the forward pass for labels. Returns the tokens made or read."""
    made = 0
    for ids, mask in sorted_batches(sent, engine.batch_size):
        if sampling is None:
            engine.model(input_ids=ids, attention_mask=mask, logits_to_keep=1).logits[:, -1].log_softmax(-1)
            made += int(mask.sum())
            continue
        drawing = {"do_sample": sampling.temperature > 0}
        if sampling.temperature > 0:
            drawing |= {"temperature": sampling.temperature, "top_k": 0, "top_p": 1.0}
        out = engine.model.generate(
            ids, attention_mask=mask, max_new_tokens=sampling.max_new_tokens, pad_token_id=0, **drawing
        )[:, ids.shape[1] :]
        ended = (out == engine.tokenizer.eos_token_id).cumsum(1)
        made += int(((ended - (out == engine.tokenizer.eos_token_id).int()) == 0).sum())
    return made


def bare_vllm(engine, sent, sampling=None, seeds=None, choices=None) -> int:
    """vLLM's own generate. Returns the tokens made or read."""
    from vllm import SamplingParams, TokensPrompt

    engine.llm.reset_prefix_cache()
    requests = [TokensPrompt(prompt_token_ids=list(ids)) for ids in sent]
    if sampling is None:
        how = SamplingParams(max_tokens=1, temperature=0.0, logprob_token_ids=sorted(set(choices)))
        engine.llm.generate(requests, how, use_tqdm=False)
        return sum(map(len, sent))
    how = [
        SamplingParams(
            max_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            seed=seed if sampling.temperature > 0 else None,
            stop=list(sampling.stop),
        )
        for seed in seeds
    ]
    return sum(len(out.outputs[0].token_ids) for out in engine.llm.generate(requests, how, use_tqdm=False))


def rate(work) -> float:
    """Tokens a second of work(), which returns how many there were."""
    start = time.perf_counter()
    tokens = work()
    return tokens / (time.perf_counter() - start)


def median_interval(values: list[float]) -> tuple[float, float]:
    """95 % interval of the median of the population that the values were drawn from; at least six of them."""
    ordered = sorted(values)
    place = int(scipy.stats.binom.ppf(0.025, len(ordered), 0.5)) - 1
    return ordered[max(place, 0)], ordered[min(-place - 1, -1)]


def measure(name: str, engine, records: list[dict], rounds: int) -> list[str]:
    """Rows of the table for one engine."""
    listening, bare = Listening(engine), bare_vllm if name == "vllm" else bare_transformers
    shown = exemplars.load_exemplars("config/exemplars.yaml")
    templates = {part: prompts.load_template(f"config/prompts/{part}.j2") for part in ("answers", "critic")}
    principles = constitution.load_constitution("config/constitution.yaml")
    stream = generation.Stream(1, "generation", 0)
    stop = ["\nQuestion:"] if name == "vllm" else []  # transformers goes on until the last row has stopped
    rows, answered = [], records
    for kind, temperature in {**KINDS, "verdicts": None}.items():
        how = {**ANSWER, "stop": stop, "temperature": temperature}

        def through(kind=kind, how=how) -> int:
            nonlocal answered
            if kind == "verdicts":
                usable = [{**record, "rejected_reason": None} for record in answered]
                generation.judge_records(listening, templates["critic"], principles, 0.0, usable)
                return sum(map(len, listening.asked[0]))
            answered = generation.write_answers(listening, templates["answers"], shown, how, stream, records)
            return sum(record["response_tokens"] for record in answered)

        through()  # warm, and says what is asked
        sent, second, *more = listening.asked
        asked = {"choices": second} if kind == "verdicts" else {"seeds": second, "sampling": more[0]}
        plain = asked if name == "vllm" else {key: asked[key] for key in asked if key == "sampling"}
        bare(engine, sent, **plain)
        pairs = []
        for turn in range(rounds):
            works = [through, lambda sent=sent, plain=plain: bare(engine, sent, **plain)]
            order = (0, 1) if turn % 2 == 0 else (1, 0)
            rates = {place: rate(works[place]) for place in order}
            pairs.append((rates[0], rates[1]))
        ratios = [ours / theirs for ours, theirs in pairs]
        low, high = median_interval(ratios)
        ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        unit = "read" if kind == "verdicts" else "made"
        ratio = f"{statistics.median(ratios):.2f} [{low:.2f}, {high:.2f}]"
        rows.append(f"| {name} | {kind} | {unit} | {ours:,.0f} | {theirs:,.0f} | {ratio} |")
    return rows


def main() -> None:
    """Measure one engine after the other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engines", nargs="+", default=["transformers", "vllm"])
    parser.add_argument("--records", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    runtime.quiet_libraries()
    records, rows = instructions(arguments.records), []
    for name in arguments.engines:
        engine = load_engine({**ENGINE, "backend": name}, BASE)
        with contextlib.redirect_stderr(io.StringIO()):  # counters
            rows += measure(name, engine, records, arguments.rounds)
        engine.close()
    print("| engine | what | tokens | through the modules, a second | bare, a second | ratio |")
    print("|---|---|---|---:|---:|---:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
