"""One small protocol for all engines: continue prompts, and compare a few next tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from workflow_scripts.core.engines.request_audit import RequestAudit
from workflow_scripts.core.errors import InputError


@dataclass(frozen=True)
class Sampling:
    """How to continue a prompt. temperature 0 is greedy; top_p 1 and top_k 0 keep the whole distribution.

    `stop`: strings, matched on text, at which a completion ends and is cut.
    """

    max_new_tokens: int
    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "stop", tuple(self.stop))
        for field, right, remedy in (
            ("max_new_tokens", self.max_new_tokens >= 1, "give 1 or more"),
            ("temperature", self.temperature >= 0, "give 0 (greedy) or more"),
            ("top_p", 0 < self.top_p <= 1, "give a number above 0 and up to 1 (1 keeps all)"),
            ("top_k", self.top_k >= 0, "give 0 (keeps all) or more"),
            ("stop", all(self.stop), "remove the empty stop string"),
        ):
            if not right:
                raise InputError(field=field, value=getattr(self, field), remedy=remedy)


@dataclass(frozen=True)
class Generation:
    """A completion. `text`: cut at the stop string, special tokens skipped. `token_ids`: all that were made,
    the end token and those of the stop string included. `finish_reason`: "eos", "stop" or "length".
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str


class Engine(Protocol):
    """What generates and judges. `identity`: {name, version, dtype, quantization, device, batch_policy,
    same_text_in_any_batch, request_audit}, the same for identical runs. Both methods put every prompt before
    `audit` first, which raises: no record comes of a request that did not pass.

    `choice_noise`: how far, in nats, log-probabilities of a prompt may differ from batch to batch; 0 where
    they do not, or where they differ by more than rounding could hide.
    """

    tokenizer: object
    identity: dict
    audit: RequestAudit
    batch_size: int
    choice_noise: float

    def generate(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], sampling: Sampling, progress=None
    ) -> list[Generation]:
        """Continues each prompt (token ids); the draws of prompt i come from seeds[i] alone."""

    def choice_logprobs(
        self, prompts: Sequence[Sequence[int]], choices: Sequence[int], progress=None
    ) -> np.ndarray:
        """Log-probabilities in nats of `choices` (token ids) as each prompt's next token: float64 [n, k]."""

    def close(self) -> None:
        """Gives back the memory of the model; the engine cannot be used afterwards."""
