"""The decoding loop of the transformers engine: one batch of prompts with a key-value cache."""

import numpy as np
import torch
from transformers import DynamicCache

from workflow_scripts.core.engines import Generation, Sampling
from workflow_scripts.core.engines.choosing import choose, uniform_draws
from workflow_scripts.core.engines.stopping import completion

COMPACT_SHARE = 0.8  # finished rows leave the batch when they are a fifth of it: leaving copies the cache


class Batch:
    """The state of one decoding loop: what has been generated, the cache, and which rows go on."""

    def __init__(self, engine, prompts, seeds, sampling: Sampling):
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
