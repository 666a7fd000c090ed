"""The vLLM engine on a GPU: what tests/vllm_checks.py shows for the CPU, as far as bfloat16 goes."""

import importlib.util
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

from workflow_scripts.core.engines import Sampling
from workflow_scripts.core.engines.loading import load_engine
from workflow_scripts.core.prompts import encode

BASE = "resources/demo_base"
SETTINGS = {
    "backend": "vllm",
    "dtype": "bfloat16",
    "device": "cuda",
    "batch_size": 48,
    "gpu_memory_utilization": 0.3,
}
SAMPLED = Sampling(24, 1.0, stop=("\nQuestion:",))
TEXTS = [f"Question: Name {place} animals.\nAnswer:" for place in range(64)]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here"),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]


def apart(function, *arguments):
    """The result of a function in a process of its own: vLLM reads its environment when it is imported."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def ask(settings: dict, sampling: Sampling, order=None, batch_size: int = 48) -> tuple[list, dict]:
    """Generations of TEXTS by a freshly loaded engine, which is closed; and its identity."""
    engine = load_engine(settings, BASE)
    engine.batch_size = batch_size
    order = order or list(range(len(TEXTS)))
    made = engine.generate([encode(engine.tokenizer, TEXTS[i]) for i in order], order, sampling)
    identity = engine.identity
    engine.close()
    return [made[order.index(i)] for i in range(len(TEXTS))], identity


def test_greedy_completions_are_nearly_those_of_transformers():
    ours, identity = apart(ask, SETTINGS, Sampling(16, 0.0))
    other = {"backend": "transformers", "dtype": "bfloat16", "device": "cuda", "batch_size": 48}
    theirs, _ = apart(ask, other, Sampling(16, 0.0))
    assert identity["device"] == "cuda" and identity["dtype"] == "bfloat16"
    assert sum(one == two for one, two in zip(ours, theirs, strict=True)) >= 0.8 * len(TEXTS)


def test_with_batch_invariant_kernels_a_sample_depends_on_its_record_alone():
    settings = {**SETTINGS, "batch_invariant": True}
    expected, identity = apart(ask, settings, SAMPLED)
    order = random.Random(0).sample(range(len(TEXTS)), len(TEXTS))
    assert apart(ask, settings, SAMPLED, order, 5)[0] == expected
    assert identity["same_text_in_any_batch"] and identity["batch_policy"] == "any"


def test_weights_are_quantised_as_they_are_loaded():
    made, identity = apart(ask, {**SETTINGS, "quantization": "fp8"}, SAMPLED)
    assert identity["quantization"] == "fp8" and any(one.text.strip() for one in made)


def free_after_each_load() -> list[int]:
    """Free bytes on the device after each of three engines was loaded, used and closed."""
    free = []
    for _ in range(3):
        ask(SETTINGS, SAMPLED)
        free.append(torch.cuda.mem_get_info()[0])
    return free


def test_a_closed_engine_gives_its_memory_back():
    first, *later = apart(free_after_each_load)
    assert min(later) > first - 2**30
