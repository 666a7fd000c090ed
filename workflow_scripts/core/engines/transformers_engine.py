"""The engine on transformers: a decoding loop with a key-value cache, exact in any batch (see `choosing`)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import DynamicCache

from workflow_scripts.core.engines import Generation, Sampling
from workflow_scripts.core.engines.choosing import TOLERANCE, choose, uniform_draws
from workflow_scripts.core.engines.shared_prefixes import pack, pack_batch
from workflow_scripts.core.engines.stopping import completion
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.models import load_model, load_tokenizer, resolve_model

COMPACT_SHARE = 0.8  # finished rows leave the batch when they are a fifth of it: leaving copies the cache


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
        self.end_tokens = _end_tokens(model, tokenizer)
        self.identity = {
            "name": "transformers",
            "version": transformers.__version__,
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": self.device.type,
            "same_text_in_any_batch": self.tolerance is not None,
        }
        self._shares_prefixes = None

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], sampling: Sampling, progress=None
    ) -> list[Generation]:
        """Continues each prompt; see `engines.Engine`. InputError when a prompt leaves no room for it."""
        self._check_room(prompts, sampling.max_new_tokens)
        results: list[Generation | None] = [None] * len(prompts)
        order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), list(prompts[i])))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            batch = _Batch(self, [prompts[i] for i in rows], [seeds[i] for i in rows], sampling)
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
        self._check_room(prompts, 0)
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

    def _check_room(self, prompts, new_tokens: int) -> None:
        limit = getattr(self.model.config, "max_position_embeddings", None)
        longest = max(map(len, prompts), default=0)
        if limit is not None and longest + new_tokens > limit:
            remedy = (
                f"the longest prompt has {longest} tokens and the model reads {limit}: use fewer exemplars or"
                " ask for fewer new tokens"
            )
            raise InputError(field="max_new_tokens", value=new_tokens, remedy=remedy)


def _end_tokens(model, tokenizer) -> frozenset[int]:
    """Tokens that end a text: the tokenizer's end token and those of the model's generation settings."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    configured = configured if isinstance(configured, list) else [configured]
    return frozenset({tokenizer.eos_token_id, *configured} - {None})


class _Batch:
    """The state of one decoding loop: what has been generated, the cache, and which rows go on."""

    def __init__(self, engine: TransformersEngine, prompts, seeds, sampling: Sampling):
        self.engine, self.prompts, self.sampling = engine, [list(prompt) for prompt in prompts], sampling
        self.made = [[] for _ in prompts]
        self.active = list(range(len(prompts)))  # the batch row that each tensor row belongs to
        self.done = [False] * len(prompts)
        draws = None
        if sampling.temperature > 0:
            draws = np.stack([uniform_draws(seed, sampling.max_new_tokens) for seed in seeds])
            draws = torch.from_numpy(draws).to(engine.device)
        self.draws = draws

    def run(self):
        """Yields (row, Generation) as rows end."""
        logits = self._read_prompts()
        for step in range(self.sampling.max_new_tokens):
            tokens = self._choose(logits, step)
            for row, token in zip(self.active, tokens, strict=True):
                if self.done[row]:
                    continue
                self.made[row].append(token)
                ended = completion(
                    self.engine.tokenizer,
                    self.made[row],
                    self.engine.end_tokens,
                    self.sampling.stop,
                    self.sampling.max_new_tokens,
                )
                if ended is not None:
                    self.done[row] = True
                    yield row, Generation(ended[0], tuple(self.made[row]), ended[1])
            if all(self.done[row] for row in self.active):
                return
            tokens = torch.as_tensor(tokens, device=self.engine.device)[self._drop_finished()]
            self.positions += 1
            if self.mask is not None:
                self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
            logits = self._forward(tokens[:, None], self.positions)

    def _forward(self, ids, positions) -> torch.Tensor:
        return self.engine.model(
            input_ids=ids,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]

    def _read_prompts(self) -> torch.Tensor:
        """Fills the cache from the distinct prompts, left-padded, then gives each row its copy."""
        device, lengths = self.engine.device, [len(prompt) for prompt in self.prompts]
        distinct = {
            tuple(prompt): place for place, prompt in enumerate(dict.fromkeys(map(tuple, self.prompts)))
        }
        width = max(lengths)
        pad = self.engine.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in distinct], device=device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in distinct], device=device)
        self.mask = mask if min(lengths) < width else None
        self.cache = DynamicCache(config=self.engine.model.config)
        logits = self._forward(ids, (mask.cumsum(-1) - 1).clamp_(min=0))
        self.positions = torch.tensor(lengths, device=device)[:, None] - 1
        if len(distinct) < len(self.prompts):
            rows = torch.tensor([distinct[tuple(prompt)] for prompt in self.prompts], device=device)
            self.cache.batch_select_indices(rows)
            self.mask = None if self.mask is None else self.mask[rows]
            logits = logits[rows]
        return logits

    def _choose(self, logits, step: int) -> list[int]:
        """The next token of each tensor row; doubtful choices are made again with logits of the row alone."""
        draws = None if self.draws is None else self.draws[self.active, step]
        tokens, doubtful = choose(logits, draws, self.sampling, self.engine.tolerance or 0.0)
        tokens = tokens.tolist()
        if self.engine.tolerance is None:
            return tokens
        for place in doubtful.nonzero()[:, 0].tolist():
            row = self.active[place]
            if not self.done[row]:
                alone = self.engine.logits_alone(self.prompts[row] + self.made[row])
                draw = None if draws is None else draws[place : place + 1]
                tokens[place] = choose(alone, draw, self.sampling, 0.0)[0].item()
        return tokens

    def _drop_finished(self) -> list[int]:
        """Takes finished rows out of the tensors once they are many. Returns the places that stay."""
        keep = [place for place, row in enumerate(self.active) if not self.done[row]]
        if len(keep) > COMPACT_SHARE * len(self.active):
            return list(range(len(self.active)))
        places = torch.tensor(keep, device=self.engine.device)
        self.cache.batch_select_indices(places)
        self.positions = self.positions[places]
        self.mask = None if self.mask is None else self.mask[places]
        self.active = [self.active[place] for place in keep]
        return keep
