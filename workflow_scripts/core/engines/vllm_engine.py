"""The engine on vLLM: continuous batching and a prefix cache, for the same requests with the same meaning.

vLLM decides when a completion is over, and stops on text as we do; the text and its end are then read off
the token ids as in the other engine, so that equal ids are equal completions. Draws come from vLLM's own
generator for each seed: a sampled text is another than the transformers engine's. See docs/engines.md.

Everything runs in this process: what is to be computed in one batch does not depend on timing, and a job that
is killed leaves nobody behind who holds the GPU.
"""

import functools
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from workflow_scripts.core.engines import Generation, Sampling
from workflow_scripts.core.engines.request_audit import RequestAudit
from workflow_scripts.core.engines.room import check_room
from workflow_scripts.core.engines.stopping import first_completion
from workflow_scripts.core.engines.vllm_options import (
    adapter_options,
    end_tokens,
    model_options,
    prepare,
)
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.models import checked_directory, load_tokenizer, resolve_model


def load_vllm_engine(settings: dict, model: str | Path, adapter: str | Path | None = None) -> "VllmEngine":
    """Loads a model (and a peft adapter on top of it) as `loading.load_engine` describes.

    InputError when vLLM is not installed or not made for the device, and for what it refuses.
    """
    on_gpu = torch.cuda.is_available() and settings["device"] != "cpu"
    prepare(on_gpu, bool(settings.get("batch_invariant")))
    reference = resolve_model(model)
    directory = checked_directory(reference)
    tokenizer = load_tokenizer(reference)

    from vllm import LLM
    from vllm.platforms import current_platform

    device = current_platform.device_type
    if settings["device"] not in ("auto", device):
        remedy = f"the vLLM that is installed runs on {device}"
        raise InputError(field="engine.device", value=settings["device"], remedy=remedy)
    options = model_options(settings, directory, on_gpu) | adapter_options(adapter)
    try:
        llm = LLM(str(directory), **options)
    except ValueError as error:
        remedy = " ".join(str(error).split())
        raise InputError(field="engine", value=settings, remedy=f"vLLM refuses: {remedy}") from None
    return VllmEngine(llm, tokenizer, settings, directory, device, adapter)


class VllmEngine:
    """An engine (see `engines.Engine`) around a `vllm.LLM`.

    Each call starts with an empty prefix cache, so that what it computes depends on its own prompts alone.
    `batch_size`: the most requests in one step; below the one it was loaded with, fewer are sent at a time.
    """

    choice_noise = 0.0  # measured on a CPU in float32; in bfloat16 on a GPU it is more than rounding hides

    def __init__(self, llm, tokenizer, settings: dict, directory: Path, device: str, adapter=None):
        import vllm

        self.llm, self.tokenizer, self.batch_size = llm, tokenizer, settings["batch_size"]
        self.loaded_batch_size = settings["batch_size"]
        self.limit = llm.model_config.max_model_len
        self.end_tokens = end_tokens(directory, tokenizer)
        self.audit = RequestAudit(tokenizer)
        self.adapter = None
        if adapter is not None:
            from vllm.lora.request import LoRARequest

            self.adapter = LoRARequest("adapter", 1, str(adapter))
        self.invariant, self.device = bool(settings.get("batch_invariant")), device
        self.version = vllm.__version__.partition("+")[0]

    @property
    def identity(self) -> dict:
        """See `engines.Engine`."""
        config = self.llm.model_config
        return {
            "name": "vllm",
            "version": self.version,
            "dtype": str(config.dtype).removeprefix("torch."),
            "quantization": config.quantization,
            "device": self.device,
            "same_text_in_any_batch": self.invariant,
            "batch_policy": (
                "any" if self.invariant else f"continuous, at most {self.batch_size}, prefix cache"
            ),
            "request_audit": "passed",  # a request that does not pass raises
        }

    def generate(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], sampling: Sampling, progress=None
    ) -> list[Generation]:
        """Continues each prompt; see `engines.Engine`. InputError when a prompt leaves no room for it or
        holds a special or chat token."""
        from vllm import SamplingParams

        self.audit.check(prompts)
        check_room(prompts, sampling.max_new_tokens, self.limit)
        common = {
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "stop": list(sampling.stop),
            "stop_token_ids": sorted(self.end_tokens),
            "detokenize": bool(sampling.stop),
            "skip_clone": True,  # vLLM copies the parameters of each request in depth; these are its own
        }
        drawn = sampling.temperature > 0
        parameters = [SamplingParams(seed=seed if drawn else None, **common) for seed in seeds]
        return [self._generation(output, sampling) for output in self._run(prompts, parameters, progress)]

    def choice_logprobs(
        self, prompts: Sequence[Sequence[int]], choices: Sequence[int], progress=None
    ) -> np.ndarray:
        """Log-probabilities of choices as next tokens; see `engines.Engine`."""
        from vllm import SamplingParams

        self.audit.check(prompts)
        check_room(prompts, 1, self.limit)
        wanted = sorted(set(choices))
        common = {"max_tokens": 1, "temperature": 0.0, "detokenize": False, "skip_clone": True}
        parameters = [SamplingParams(logprob_token_ids=wanted, **common) for _ in prompts]
        result = np.empty((len(prompts), len(choices)))
        for row, output in enumerate(self._run(prompts, parameters, progress)):
            (found,) = output.logprobs
            result[row] = [found[token].logprob for token in choices]
        return result

    def close(self) -> None:
        """Gives back the memory of the model; the engine cannot be used afterwards."""
        from vllm.distributed import cleanup_dist_env_and_memory

        self.llm.llm_engine.engine_core.shutdown()
        self.llm = None
        cleanup_dist_env_and_memory()

    def _run(self, prompts, parameters, progress) -> list:
        """vLLM's completion of each prompt, in order."""
        from vllm import TokensPrompt

        self.llm.reset_prefix_cache()
        requests = [TokensPrompt(prompt_token_ids=list(prompt)) for prompt in prompts]
        size = self.batch_size if self.batch_size < self.loaded_batch_size else max(1, len(requests))
        outputs = []
        for start in range(0, len(requests), size):
            outputs += self.llm.generate(
                requests[start : start + size],
                parameters[start : start + size],
                use_tqdm=False if progress is None else functools.partial(_bar, progress),
                lora_request=self.adapter,
            )
        return [output.outputs[0] for output in outputs]

    def _generation(self, output, sampling: Sampling) -> Generation:
        ended = first_completion(
            self.tokenizer, output.token_ids, self.end_tokens, sampling.stop, sampling.max_new_tokens
        )
        if ended is None:  # a stop string that is there as the text grows, and not in the whole of it
            return Generation(output.text, tuple(output.token_ids), "stop")
        text, reason, count = ended
        return Generation(text, tuple(output.token_ids[:count]), reason)


def _bar(progress, requests=None, **_):
    """What vLLM asks for in place of tqdm: first around the requests as they are added, then as they end."""
    return _Ticks(progress) if requests is None else requests


class _Ticks:
    """What vLLM tells a progress bar, told to our counter."""

    def __init__(self, progress):
        self.progress, self.start, self.n, self.postfix = progress, time.monotonic(), 0, ""

    @property
    def format_dict(self) -> dict:
        return {"elapsed": max(time.monotonic() - self.start, 1e-9)}

    def update(self, n: int) -> None:
        self.n += n
        self.progress.advance(n)

    def refresh(self) -> None:
        pass

    def close(self) -> None:
        pass
