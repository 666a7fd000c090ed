"""How the next token is chosen from logits: greedily, or by inverse CDF; and when rounding could matter.

The same record must get the same text in any batch. Its draws come from its own stream of random numbers,
but logits differ in their last bits between batches of other shapes. So a choice that such a difference could
turn is reported as doubtful; the engine then repeats it with logits computed for that record alone.
"""

import numpy as np
import torch

from workflow_scripts.core.engines import Sampling

# How far a logit may differ between batches: eight times the largest difference measured (1.2e-5 in float32).
# In half precision differences are too large to repeat every doubtful choice: no tolerance, no promise.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
# How far log-probabilities of labels may differ: three times the largest difference measured (6.4e-6).
CHOICE_NOISE = {torch.float32: 2e-5, torch.float64: 1e-9}


def uniform_draws(seed: int, count: int) -> np.ndarray:
    """The first `count` numbers in [0, 1) of a record's own Philox stream (a longer call starts the same)."""
    return np.random.Generator(np.random.Philox(key=seed)).random(count)


def choose(
    logits: torch.Tensor, draws: torch.Tensor | None, sampling: Sampling, tolerance: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Next token of each row, and whether errors of the logits up to `tolerance` could make it another.

    logits: [rows, vocabulary]; draws: float64 [rows] in [0, 1), unused when greedy. Returns int64 [rows] and
    bool [rows]. Sampling goes through the vocabulary in the order of ids, in float64, so that a cumulative
    probability F moves continuously with the logits: dF = F (1 - F) (mean error below - mean error above),
    so by half of the largest error at most.
    """
    if sampling.temperature == 0:
        best = logits.topk(2, dim=-1).values
        return logits.argmax(-1), best[:, 0] - best[:, 1] <= 2 * tolerance
    scaled = logits.double() / sampling.temperature
    tolerance = tolerance / sampling.temperature
    kept, doubtful = _truncate(scaled, sampling, tolerance)
    probabilities = kept.softmax(-1)
    cumulative = probabilities.cumsum(-1)
    target = draws[:, None] * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, target, right=True).clamp_(max=logits.shape[-1] - 1)
    upper = cumulative.gather(1, tokens)
    lower = upper - probabilities.gather(1, tokens)
    doubtful = doubtful | (torch.minimum(upper - target, target - lower)[:, 0] <= tolerance / 2)
    return tokens[:, 0], doubtful


def _truncate(
    scaled: torch.Tensor, sampling: Sampling, tolerance: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keeps the `top_k` largest logits and of those the smallest set with probability `top_p` or more.

    Returns the logits [rows, vocabulary] with all others at -inf, and bool [rows]: whether the set of kept
    tokens could change within the tolerance. (top_p: Holtzman et al. 2020, "nucleus sampling".)
    """
    doubtful = torch.zeros(len(scaled), dtype=torch.bool, device=scaled.device)
    limit = min(sampling.top_k or scaled.shape[-1], scaled.shape[-1])
    if limit == scaled.shape[-1] and sampling.top_p == 1:
        return scaled, doubtful
    ordered, order = scaled.sort(dim=-1, descending=True, stable=True)
    count = torch.full((len(scaled), 1), limit, device=scaled.device)
    if sampling.top_p < 1:
        cumulative = ordered[:, :limit].softmax(-1).cumsum(-1)
        count = (cumulative < sampling.top_p).sum(-1, keepdim=True).clamp_(max=limit - 1) + 1
        doubtful = ((cumulative - sampling.top_p).abs() <= tolerance / 2).any(-1)
    rank = torch.arange(ordered.shape[-1], device=scaled.device)
    last = ordered.gather(1, count - 1)
    following = ordered.gather(1, count.clamp(max=ordered.shape[-1] - 1))
    doubtful = doubtful | ((last - following <= 2 * tolerance) & (count < ordered.shape[-1]))[:, 0]
    kept = torch.full_like(scaled, -torch.inf)
    kept.scatter_(1, order, ordered.masked_fill(rank >= count, -torch.inf))
    return kept, doubtful
