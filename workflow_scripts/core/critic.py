"""The critic: a base model judges an answer under a written constitution, by one token's log-probabilities.

For each principle the model completes a review with the label of "yes" or of "no", under both orders of the
labels (A = yes and A = no), so that a liking for a letter cancels. The margin is the mean over orders of
log P(yes label) - log P(no label), less the principle's prior, weighted over principles; a label's
probability is the sum over the tokens it can be written with (" A" and "A").
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from scipy.stats import rankdata

from workflow_scripts.core import usage
from workflow_scripts.core.constitution import Principle
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.prompts import Template, encode, encode_all, render

LABELS = ("A", "B")
VARIANTS = (" {}", "{}")
# A margin is stated to a thousandth of a nat: finer digits depend on the batch that it was computed in.
DECIMALS = 3
DIGITS = 6  # after priors are taken off, whose weighted mean may have more than DECIMALS


@dataclass(frozen=True)
class Judgement:
    """`margin` in nats (above 0: the answer is good), `p_yes` = sigmoid(margin), the margin by principle id,
    and by label order (A = yes, then A = no), each already averaged over the rest and less the priors."""

    margin: float
    p_yes: float
    by_principle: dict[str, float]
    by_order: tuple[float, float]


def label_tokens(tokenizer) -> tuple[list[int], list[int]]:
    """Ids of the single tokens that write each label, in the order of LABELS. InputError when it has none."""
    found = []
    for label in LABELS:
        encoded = [encode(tokenizer, variant.format(label)) for variant in VARIANTS]
        tokens = sorted({ids[0] for ids in encoded if len(ids) == 1})
        if not tokens:
            remedy = "this tokenizer splits the label: the critic needs labels that are one token"
            raise InputError(field="critic label", value=label, remedy=remedy)
        found.append(tokens)
    return found[0], found[1]


def review_prompts(
    template: Template, principles: Sequence[Principle], instruction: str, response: str
) -> list[str]:
    """The prompts of one judgement: for each principle, first with A = yes, then with A = no."""
    return [
        render(
            template,
            instruction=instruction,
            response=response,
            principle=principle.question,
            first=first,
            second=second,
        )
        for principle in principles
        for first, second in (("yes", "no"), ("no", "yes"))
    ]


def judge(
    engine,
    template: Template,
    principles: Sequence[Principle],
    pairs: Sequence[tuple[str, str]],
    progress: Callable[[int], None] | None = None,
) -> list[Judgement]:
    """Judges (instruction, response) pairs, in order. `progress(n)` is told of n more pairs done.

    A margin so near the middle of two thousandths that another batch could turn its rounding (the engine's
    `choice_noise`) is computed again with each of its prompts alone: it is the same in any batch.
    """
    first, second = label_tokens(engine.tokenizer)
    reviews = [review_prompts(template, principles, *pair) for pair in pairs]
    prompts = encode_all(engine.tokenizer, [review for group in reviews for review in group])
    each = 2 * len(principles)
    counter = _PairCounter(progress, each) if progress is not None else None
    with usage.timed("judging_seconds"):
        logprobs = engine.choice_logprobs(prompts, [*first, *second], counter)
    usage.count(judged_tokens=sum(map(len, prompts)), judgements=len(pairs))
    judgements = []
    for place, margins in enumerate(_margins(logprobs, len(first)).reshape(-1, len(principles), 2)):
        judgement = _judgement(principles, margins)
        if abs(judgement.margin * 10**DECIMALS % 1 - 0.5) < engine.choice_noise * 10**DECIMALS:
            own = prompts[place * each : (place + 1) * each]
            alone = [engine.choice_logprobs([prompt], [*first, *second]) for prompt in own]
            judgement = _judgement(principles, _margins(np.concatenate(alone), len(first)))
        judgements.append(less_priors(_rounded(judgement), principles))
    return judgements


class _PairCounter:
    """Counts prompts and reports whole pairs."""

    def __init__(self, report: Callable[[int], None], each: int):
        self.report, self.each, self.prompts = report, each, 0

    def advance(self, n: int) -> None:
        before = self.prompts // self.each
        self.prompts += n
        if whole := self.prompts // self.each - before:
            self.report(whole)


def _margins(logprobs: np.ndarray, split: int) -> np.ndarray:
    """log P(yes) - log P(no) [reviews / 2, order] from log-probabilities [reviews, label tokens].

    The first `split` columns write label A; the orders of a review take turns.
    """
    difference = logsumexp(logprobs[:, :split], axis=1) - logsumexp(logprobs[:, split:], axis=1)
    return difference.reshape(-1, 2) * (1, -1)


def _judgement(principles: Sequence[Principle], margins: np.ndarray) -> Judgement:
    """From margins [principle, order]."""
    weights = np.array([principle.weight for principle in principles])
    orders = weights @ margins / weights.sum()
    by_principle = {
        principle.id: float(value) for principle, value in zip(principles, margins.mean(axis=1), strict=True)
    }
    margin = float(orders.mean())
    return Judgement(margin, sigmoid(margin), by_principle, (float(orders[0]), float(orders[1])))


def _rounded(judgement: Judgement) -> Judgement:
    margin = round(judgement.margin, DECIMALS)
    by_principle = {name: round(value, DECIMALS) for name, value in judgement.by_principle.items()}
    first, second = judgement.by_order
    return Judgement(margin, sigmoid(margin), by_principle, (round(first, DECIMALS), round(second, DECIMALS)))


def less_priors(judgement: Judgement, principles: Sequence[Principle]) -> Judgement:
    """A judgement with each principle's prior taken off, and their weighted mean off the margin."""
    weights = sum(principle.weight for principle in principles)
    shift = sum(principle.prior * principle.weight for principle in principles) / weights
    margin = round(judgement.margin - shift, DIGITS)
    by_principle = {
        principle.id: round(judgement.by_principle[principle.id] - principle.prior, DIGITS)
        for principle in principles
    }
    first, second = (round(order - shift, DIGITS) for order in judgement.by_order)
    return Judgement(margin, sigmoid(margin), by_principle, (first, second))


def sigmoid(margin: float) -> float:
    """P(yes) of a margin, without overflow."""
    return 1 / (1 + math.exp(-margin)) if margin >= 0 else math.exp(margin) / (1 + math.exp(margin))


def auc(margins: Sequence[float], is_good: Sequence[bool]) -> float:
    """Area under the ROC curve: the chance that a good answer has the larger margin, ties counted half.

    The Mann-Whitney U statistic over the product of the group sizes. ValueError when a group is empty.
    """
    good = np.asarray(is_good, dtype=bool)
    count = int(good.sum())
    if count in (0, len(good)):
        raise ValueError("the area needs good and bad answers")
    rank_sum = rankdata(margins)[good].sum()
    return float((rank_sum - count * (count + 1) / 2) / (count * (len(good) - count)))


def find_threshold(margins: Sequence[float], is_good: Sequence[bool], target_precision: float) -> dict:
    """The lowest margin from which on at least `target_precision` of the answers are good.

    Considers every margin as a threshold (answers with margin >= threshold are accepted). Where none reaches
    the target, takes the most precise, of these the one that accepts most, and says `reached` false. Returns
    {threshold, precision, recall, accepted, n, target_precision, reached}. ValueError without a good answer.
    """
    order = np.argsort(-np.asarray(margins, dtype=float), kind="stable")
    sorted_margins = np.asarray(margins, dtype=float)[order]
    good = np.asarray(is_good, dtype=bool)[order].cumsum()
    if not len(good) or good[-1] == 0:
        raise ValueError("a threshold needs good answers")
    last_of_ties = np.flatnonzero(np.append(np.diff(sorted_margins) != 0, True))
    accepted = last_of_ties + 1
    precision = good[last_of_ties] / accepted
    reaching = np.flatnonzero(precision >= target_precision)
    best = reaching[-1] if len(reaching) else np.flatnonzero(precision == precision.max())[-1]
    return {
        "threshold": float(sorted_margins[last_of_ties[best]]),
        "precision": float(precision[best]),
        "recall": float(good[last_of_ties[best]] / good[-1]),
        "accepted": int(accepted[best]),
        "n": len(sorted_margins),
        "target_precision": target_precision,
        "reached": bool(len(reaching)),
    }
