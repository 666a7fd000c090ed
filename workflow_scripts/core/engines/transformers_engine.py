"""The engine on transformers: sorted batches, exact in any batch (see `choosing`), nothing computed twice."""

import gc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import transformers

from workflow_scripts.core.engines import Generation, Sampling
from workflow_scripts.core.engines.choosing import CHOICE_NOISE, TOLERANCE
from workflow_scripts.core.engines.decoding import Batch
from workflow_scripts.core.engines.request_audit import RequestAudit
from workflow_scripts.core.engines.room import check_room
from workflow_scripts.core.engines.shared_prefixes import pack, pack_batch
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.models import load_model, load_tokenizer, resolve_model


def load_transformers_engine(settings: dict, model: str | Path, adapter=None) -> "TransformersEngine":
    """Loads a model (and a peft adapter on top of it) as `engines.load_engine` describes."""
    reference = resolve_model(model)
    network = load_model(reference, settings["dtype"], settings["device"])
    if adapter is not None:
        from peft import PeftModel

        network = PeftModel.from_pretrained(network, str(adapter), is_trainable=False).eval()
    return TransformersEngine(network, load_tokenizer(reference), settings["batch_size"])


class TransformersEngine:
    """An engine (see `engines.Engine`) around a loaded model, which must be in evaluation mode.

    batch_size: the most rows computed at once; it changes speed and memory, never a text (in float32).
    """

    def __init__(self, model, tokenizer, batch_size: int):
        if batch_size < 1:
            raise InputError(field="engine.batch_size", value=batch_size, remedy="give 1 or more")
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.device = model.device
        self.tolerance = TOLERANCE.get(model.dtype)
        self.choice_noise = CHOICE_NOISE.get(model.dtype, 0.0)
        self.limit = getattr(model.config, "max_position_embeddings", None)
        self.end_tokens = _end_tokens(model, tokenizer)
        self.audit = RequestAudit(tokenizer)
        self._shares_prefixes = None

    @property
    def identity(self) -> dict:
        """See `engines.Engine`."""
        exact = self.tolerance is not None
        return {
            "name": "transformers",
            "version": transformers.__version__,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "quantization": None,
            "device": self.device.type,
            "same_text_in_any_batch": exact,
            "batch_policy": "any" if exact else f"sorted by length, at most {self.batch_size}",
            "request_audit": "passed",  # a request that does not pass raises
        }

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], sampling: Sampling, progress=None
    ) -> list[Generation]:
        """Continues each prompt; see `engines.Engine`. InputError when a prompt leaves no room for it or
        holds a special or chat token."""
        self.audit.check(prompts)
        check_room(prompts, sampling.max_new_tokens, self.limit)
        results: list[Generation | None] = [None] * len(prompts)
        for rows in _batches(prompts, self.batch_size):
            batch = Batch(self, [prompts[i] for i in rows], [seeds[i] for i in rows], sampling)
            for place, generation in batch.run():
                results[rows[place]] = generation
                if progress is not None:
                    progress.advance(1)
        return results

    @torch.inference_mode()
    def choice_logprobs(
        self, prompts: Sequence[Sequence[int]], choices: Sequence[int], progress=None
    ) -> np.ndarray:
        """Log-probabilities of choices as next tokens; see `engines.Engine`.

        Neighbouring prompts that begin alike are computed as one row, their common beginning once.
        """
        self.audit.check(prompts)
        check_room(prompts, 0, self.limit)
        if self._shares_prefixes is None:
            self._shares_prefixes = self._check_sharing()
        result = np.empty((len(prompts), len(choices)))
        groups = pack(prompts, self.batch_size if self._shares_prefixes else 1)
        groups.sort(key=lambda group: (len(group.tokens), group.prompts[0]))
        choices = torch.as_tensor(choices, device=self.device)
        start = 0
        while start < len(groups):
            end, rows = start, 0
            while end < len(groups) and (end == start or rows + len(groups[end].prompts) <= self.batch_size):
                rows += len(groups[end].prompts)
                end += 1
            batch = groups[start:end]
            logprobs = self._packed_logits(batch).double().log_softmax(-1).index_select(-1, choices)
            for row, group in enumerate(batch):
                result[group.prompts] = logprobs[row, -len(group.prompts) :].cpu().numpy()
                if progress is not None:
                    progress.advance(len(group.prompts))
            start = end
        return result

    def close(self) -> None:
        """Gives back the memory of the model; the engine cannot be used afterwards."""
        self.model = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def logits_alone(self, ids: Sequence[int]) -> torch.Tensor:
        """Next-token logits [1, vocabulary] of one sequence computed by itself: without batch or cache."""
        ids = torch.as_tensor([ids], device=self.device)
        return self.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1]

    def _packed_logits(self, groups) -> torch.Tensor:
        """Logits [groups, most prompts, vocabulary] after each of the packed prompts, right-aligned."""
        if len(groups) == 1 and len(groups[0].prompts) == 1:
            return self.logits_alone(groups[0].tokens)[:, None]
        ids, positions, mask, ends = pack_batch(groups, self.tokenizer.pad_token_id)
        return self.model(
            input_ids=ids.to(self.device),
            position_ids=positions.to(self.device),
            attention_mask=mask.to(self.device),
            use_cache=False,
            logits_to_keep=ends,
        ).logits

    def _check_sharing(self) -> bool:
        """Whether this architecture honours the mask of packed prompts: three prompts, packed and alone."""
        if getattr(self.model.config, "sliding_window", None) is not None:
            return False
        size = min(len(self.tokenizer), 50)
        prompts = [[(i * i + 1) % size for i in range(12)] + [k + 1, k, 2] for k in range(3)]
        packed = self._packed_logits(pack(prompts, len(prompts)))[0]
        alone = torch.cat([self.logits_alone(prompt) for prompt in prompts])
        return bool((packed - alone).abs().max() <= (self.tolerance or 0.1))


def _batches(prompts: Sequence[Sequence[int]], most: int) -> list[list[int]]:
    """Indices of prompts in batches of at most `most`, equal and equally long prompts together.

    A batch that is at least half full ends where the length changes: a batch without padding needs no mask,
    and then a step takes a third less time.
    """
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), list(prompts[i])))
    batches: list[list[int]] = []
    for index in order:
        last = batches[-1] if batches else []
        longer = bool(last) and len(prompts[last[-1]]) < len(prompts[index])
        if not last or len(last) == most or (longer and 2 * len(last) >= most):
            batches.append([index])
        else:
            last.append(index)
    return batches


def _end_tokens(model, tokenizer) -> frozenset[int]:
    """Tokens that end a text: the tokenizer's end token and those of the model's generation settings."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    configured = configured if isinstance(configured, list) else [configured]
    return frozenset({tokenizer.eos_token_id, *configured} - {None})
