"""Pretraining of the embedded base: packed rows, Muon in float32 beside AdamW, one pass over the corpus."""

import math
import shutil
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch.nn import functional

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def pack_rows(documents: Iterable[list[int]], end: int, length: int) -> Iterator[np.ndarray]:
    """Rows of exactly `length` token ids: whole documents, each closed by `end`, the last one of a row cut.

    Every row begins with a document, as every prompt does. A row that is not filled is dropped.
    """
    row: list[int] = []
    for document in documents:
        row += [*document, end]
        if len(row) >= length:
            yield np.array(row[:length], dtype=np.int32)
            row = []


def target_weights(rows: torch.Tensor, words: dict[str, int], settings: dict) -> torch.Tensor:
    """Loss weight of each next token: float32 [rows, length - 1].

    `words`: ids of the tokens "Question", "Answer", "Verdict". A question's text weighs `question_weight`, as
    most of it cannot be foreseen; the token two after "Verdict" (its label) weighs `verdict_weight`; every
    other weighs 1.
    """
    opened = (rows == words["Question"]).long().cumsum(1)
    closed = (rows == words["Answer"]).long().cumsum(1)
    weights = torch.where(opened > closed, settings["question_weight"], 1.0)
    weights[:, 2:][rows[:, :-2] == words["Verdict"]] = settings["verdict_weight"]
    return weights[:, 1:]


def learning_rate_factor(step: int, steps: int, warmup: int, decay_share: float, final: float) -> float:
    """Linear warm-up, a plateau at 1, a linear fall to `final` over the last `decay_share` of the steps."""
    left = (steps - step) / max(1, round(steps * decay_share))
    return min(1.0, (step + 1) / warmup) * (final + (1 - final) * min(1.0, left))


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """Five quintic Newton-Schulz steps towards the nearest orthogonal matrices: [k, rows, columns].

    No matrix may have more rows than columns. As in `torch.optim.Muon`, but in the matrices' own precision:
    bfloat16 is slow on most CPUs.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay for matrices (Jordan et al. 2024).

    The same update as `torch.optim.Muon(adjust_lr_fn="match_rms_adamw")`, in float32, with matrices of one
    shape orthogonalised together: four times as fast on a CPU without bfloat16 units.
    """

    def __init__(self, parameters, lr: float, momentum: float = 0.95, weight_decay: float = 0.1):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        """Update every parameter from its gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple, list] = {}
            for parameter in group["params"]:
                by_shape.setdefault(tuple(sorted(parameter.shape)), []).append(parameter)
            for shape, parameters in by_shape.items():
                updates = orthogonalise(
                    torch.stack([self._momentum(p, group["momentum"]) for p in parameters])
                )
                scale = 0.2 * math.sqrt(shape[1]) * group["lr"]
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    tall = parameter.shape[0] > parameter.shape[1]
                    parameter.sub_(update.mT if tall else update, alpha=scale)

    def _momentum(self, parameter: torch.Tensor, momentum: float) -> torch.Tensor:
        """The Nesterov-averaged gradient, lying flat (rows <= columns)."""
        buffer = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        buffer.lerp_(parameter.grad, 1 - momentum)
        update = parameter.grad.lerp(buffer, momentum)
        return update.mT if parameter.shape[0] > parameter.shape[1] else update


def build_model(settings: dict, vocabulary: int, end: int, seed: int):
    """A fresh `Qwen2ForCausalLM` in float32 with tied embeddings; eos = pad = `end`, no bos."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    config = Qwen2Config(
        **settings,
        vocab_size=vocabulary,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=end,
        dtype="float32",
    )
    return Qwen2ForCausalLM(config)


def build_optimizers(model, settings: dict) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, norms and biases."""
    matrices, rest = [], []
    for name, parameter in model.named_parameters():
        (matrices if parameter.ndim == 2 and "embed" not in name else rest).append(parameter)
    rate = settings["learning_rate"]
    return [Muon(matrices, lr=rate), torch.optim.AdamW(rest, lr=rate, betas=tuple(settings["adam_betas"]))]


def _loss_function(model) -> Callable:
    def loss_of(rows, weights):
        hidden = model.model(input_ids=rows, use_cache=False).last_hidden_state[:, :-1]
        logits = model.lm_head(hidden)
        losses = functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
        weights = weights.flatten()
        return (losses * weights).sum() / weights.sum()

    # Compiled, a step takes two thirds of the time; that needs a C++ compiler.
    return torch.compile(loss_of, dynamic=False) if shutil.which("g++") else loss_of


def pretrain(
    model, rows: torch.Tensor, words: dict[str, int], settings: dict, on_step: Callable[[int, float], None]
) -> dict:
    """Train for one pass over rows (int64 [rows, length]). Returns steps, tokens and the loss at the end.

    `words` as in `target_weights`. `on_step(step, loss)` is called after every step, from step 1.
    """
    optimizers = build_optimizers(model, settings)
    size = settings["batch_rows"]
    steps = len(rows) // size
    loss_of = _loss_function(model)
    losses = []
    for step in range(steps):
        factor = learning_rate_factor(
            step, steps, settings["warmup_steps"], settings["decay_share"], settings["final_fraction"]
        )
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = settings["learning_rate"] * factor
        batch = rows[step * size : (step + 1) * size]
        loss = loss_of(batch, target_weights(batch, words, settings))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings["clip"])
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad()
        losses.append(loss.item())
        on_step(step + 1, losses[-1])
    return {
        "steps": steps,
        "tokens": steps * size * rows.shape[1],
        "final_loss": float(np.mean(losses[-50:])),
    }
