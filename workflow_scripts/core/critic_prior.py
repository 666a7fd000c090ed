"""What the critic says of nothing: its liking for "yes" or "no" that has nothing to do with an answer.

Contextual calibration (Zhao, Wallace, Feng, Klein & Singh 2021, ICML, "Calibrate Before Use"): the margin
that a principle gets when question and answer are free of content is its prior, and is taken off every
margin. Here as a difference of log-odds, averaged over both orders of the labels.

To a critic that judges, an answer without content may be no neutral one but a wrong one, which it is right to
refuse. Taken off, such a prior would turn every P(yes) up. What is measured is therefore taken off only where
P(yes) is the better for it on the calibration items, unless the config says otherwise.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workflow_scripts.core import critic
from workflow_scripts.core.constitution import Principle
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.prompts import Template

CONTENT_FREE = ("N/A", "", "...")


def measure_prior(engine, template: Template, principles: Sequence[Principle]) -> list[dict]:
    """The margins of content-free answers to content-free questions: [{"text", "by_principle"}], in nats."""
    pairs = [(text, text) for text in CONTENT_FREE]
    judgements = critic.judge(engine, template, principles, pairs)
    return [
        {"text": text, "by_principle": judgement.by_principle}
        for text, judgement in zip(CONTENT_FREE, judgements, strict=True)
    ]


def mean_prior(content_free: Sequence[dict]) -> dict[str, float]:
    """{principle id: mean margin over the content-free answers}, to as many digits as a margin has."""
    names = content_free[0]["by_principle"]
    means = {name: np.mean([entry["by_principle"][name] for entry in content_free]) for name in names}
    return {name: round(float(mean), critic.DECIMALS) for name, mean in means.items()}


def with_priors(principles: Sequence[Principle], prior: dict[str, float]) -> list[Principle]:
    """The principles with their priors."""
    return [dataclasses.replace(principle, prior=prior[principle.id]) for principle in principles]


def choose_priors(
    principles: Sequence[Principle],
    prior: dict[str, float],
    judgements: Sequence[critic.Judgement],
    is_good: Sequence[bool],
    when: str,
) -> list[Principle]:
    """The principles with their priors, or as they are: `when` is "always", "never" or "if_better".

    It is better when the Brier score of P(yes) is smaller with the priors taken off the judgements.
    """
    shifted = with_priors(principles, prior)
    adjusted = [critic.less_priors(judgement, shifted) for judgement in judgements]
    before, after = (
        np.mean((np.array([judgement.p_yes for judgement in side]) - is_good) ** 2)
        for side in (judgements, adjusted)
    )
    is_wanted = {"always": True, "never": False, "if_better": bool(after < before)}[when]
    return shifted if is_wanted else list(principles)


def read_calibration(path: str | Path, principles: Sequence[Principle]) -> tuple[float, list[Principle]]:
    """The threshold of a calibration report, and the principles with their priors.

    InputError for a file that is no such report, or one that was made with other principles.
    """
    remedy = "give the report that workflow_scripts.critic_calibration made with this constitution"
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        threshold, prior = report["threshold"], report["prior"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(file=path, field="threshold, prior", remedy=remedy) from None
    names = sorted(principle.id for principle in principles)
    if sorted(prior) != names:
        raise InputError(
            file=path, field="prior", value=sorted(prior), remedy=f"{remedy} ({', '.join(names)})"
        )
    return threshold, with_priors(principles, prior)
