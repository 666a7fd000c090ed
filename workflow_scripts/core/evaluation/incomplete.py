"""Answers that were cut off, and answers that nobody could read; what both do to the lift.

An answer that was cut at the token limit, or that a stop string or a decoder spoiled, fails for a reason that
is no lack of ability: a lift that rests on such answers is the harness's, not the model's.
"""

import re

import numpy as np

from workflow_scripts.core import cleaning
from workflow_scripts.core.evaluation.lifts import lift_metric
from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.evaluation.shares import differences_of, share_metric, share_on
from workflow_scripts.core.metrics import rate
from workflow_scripts.core.statistics.tables import paired_table

WORDS_OF_FORMAT = re.compile("|".join(map(re.escape, (*cleaning.DELIMITERS, *cleaning.SPEAKERS))))


def unparseable_reason(text: str) -> str | None:
    """Why a cleaned response cannot be read as an answer, or None.

    "empty"; "undecodable", it holds the sign that stands for broken bytes; "only delimiters", nothing but
    words of the prompt's format; "runs on", a line opens another part of the prompt. A text that repeats
    itself without end is cut at the token limit, and counted there.
    """
    if not text.strip():
        return "empty"
    if "\ufffd" in text:
        return "undecodable"
    if WORDS_OF_FORMAT.search(text) and not re.search(r"\w", WORDS_OF_FORMAT.sub("", text)):
        return "only delimiters"
    return "runs on" if cleaning.leaked_delimiters(text) else None


def unparseable_reasons(answers: Answers) -> np.ndarray:
    """Why each response cannot be read, shape [n]; "" for those that can."""
    return np.array([unparseable_reason(text) or "" for text in answers.responses], dtype=object)


def incomplete_summary(answers: Answers, confidence: float) -> dict:
    """One arm's shares of truncated, empty and unparseable answers, the last by reason."""
    n, reasons = len(answers), unparseable_reasons(answers)
    counts = {reason: int((reasons == reason).sum()) for reason in sorted(set(reasons.tolist()) - {""})}
    return {
        "truncated": rate(int(answers.truncated.sum()), n, confidence),
        "empty": rate(counts.get("empty", 0), n, confidence),
        "unparseable": rate(sum(counts.values()), n, confidence),
        "unparseable_reasons": counts,
    }


def audit_incomplete(baseline: Answers, candidate: Answers, confidence: float, seed: int) -> dict[str, dict]:
    """Metrics of both faults. For each: how much more often the baseline has it, paired; the share of the
    lift on items where either arm has it; and the lift where neither has.
    """
    faults = {
        "truncation": (baseline.truncated, candidate.truncated),
        "unparseable": tuple(unparseable_reasons(arm) != "" for arm in (baseline, candidate)),
    }
    names = {"truncation": "untruncated_lift", "unparseable": "parseable_lift"}
    differences = differences_of(baseline, candidate)
    metrics = {}
    for fault, (in_baseline, in_candidate) in faults.items():
        either = in_baseline | in_candidate
        difference = paired_table(in_candidate, in_baseline)
        rest = paired_table(baseline.success[~either], candidate.success[~either])
        metrics[f"{fault}_difference"] = lift_metric(difference, 1 - confidence)
        metrics[f"{fault}_share"] = share_metric(
            lambda places, either=either: share_on(differences[places], either[places]),
            baseline.clusters,
            confidence,
            seed,
        )
        metrics[names[fault]] = lift_metric(rest, 1 - confidence)
    return metrics
