"""How much of success, and of a lift, the length of the responses explains.

A scorer that fails long answers looks like progress when a model merely learns to be brief. Three looks at
it: how well length alone tells an arm's successes from its failures; what lift the best rule on length
alone explains; and the lift that is left among items that both arms answered at about the same length
(matching within a caliper: Cochran & Rubin 1973, Sankhya A 35:417).
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm, rankdata

from workflow_scripts.core.evaluation.lifts import lift_metric, metric
from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.evaluation.shares import cluster_bootstrap, percentile_interval, share_of
from workflow_scripts.core.statistics.tables import paired_table

CLOSE_SHARE = 0.1
CLOSE_CHARACTERS = 2


def length_auc(length: np.ndarray, success: np.ndarray, confidence: float) -> dict:
    """AUC of length for success, with DeLong's interval (DeLong et al. 1988, Biometrics 44:837) and n.

    The probability that a success is longer than a failure, ties counting half: 0.5 when length says
    nothing, near 0 when long answers fail, near 1 when short ones do. None for an arm without both
    successes and failures.
    """
    good, bad = length[success], length[~success]
    if len(good) == 0 or len(bad) == 0:
        return metric(None, (None, None), len(length))
    ranks = rankdata(np.concatenate([good, bad]))
    of_good = (ranks[: len(good)] - rankdata(good)) / len(bad)
    of_bad = 1 - (ranks[len(good) :] - rankdata(bad)) / len(good)
    area = float(of_good.mean())
    variance = sum(float(part.var(ddof=1)) / len(part) for part in (of_good, of_bad) if len(part) > 1)
    half = float(norm.isf((1 - confidence) / 2)) * variance**0.5
    return metric(area, (max(0.0, area - half), min(1.0, area + half)), len(length))


def best_length_rule(length: np.ndarray, success: np.ndarray) -> dict:
    """The rule on length alone that agrees best with an arm's scores.

    Returns `at_most` (characters), `passes` ("short", at most that many, or "long", more) and `separation`:
    Youden's J, the share of successes that the rule passes less the share of failures that it passes, 0
    (useless) to 1 (exact).
    """
    cutoffs = np.unique(length)
    if success.all() or not success.any():
        return {"at_most": int(cutoffs[-1]), "passes": "short", "separation": 0.0}
    good = np.searchsorted(np.sort(length[success]), cutoffs, side="right") / success.sum()
    bad = np.searchsorted(np.sort(length[~success]), cutoffs, side="right") / (~success).sum()
    place = int(np.argmax(np.abs(good - bad)))
    return {
        "at_most": int(cutoffs[place]),
        "passes": "short" if good[place] >= bad[place] else "long",
        "separation": float(abs(good[place] - bad[place])),
    }


def is_short(length: np.ndarray, rule: dict) -> np.ndarray:
    """Which lengths a rule on length calls short, boolean, shape [n]."""
    return length <= rule["at_most"]


def explained_by_rule(
    length: np.ndarray, success: np.ndarray, candidate_length: np.ndarray, rule: dict
) -> float:
    """The lift that the baseline would show if its answers were as often short as the candidate's.

    The composition part of Kitagawa's decomposition (1955, JASA 50:1168): the baseline's success among its
    short and its long answers stays, only their shares change. A side that the baseline never answers on
    keeps its overall rate.
    """
    short, candidate_short, expected = is_short(length, rule), is_short(candidate_length, rule), 0.0
    for side, of_candidate in ((short, candidate_short), (~short, ~candidate_short)):
        rate = success[side].mean() if side.any() else success.mean()
        expected += float(rate) * float(of_candidate.mean())
    return expected - float(success.mean())


class Explanation(NamedTuple):
    """What the best rule on length explains: the rule, the lift that it gives, its share of the real one."""

    rule: dict
    lift: float
    share: float

    @property
    def artifact(self) -> float:
        """The share, but no more than the rule's agreement with the scores: 0 to 1."""
        return min(1.0, self.share, self.rule["separation"])


def explain(baseline: Answers, candidate: Answers, places=slice(None)) -> Explanation:
    """Explains the lift on the chosen places (indices, shape [m]) by the length of the responses."""
    length, success = baseline.length[places], baseline.success[places]
    rule = best_length_rule(length, success)
    explained = explained_by_rule(length, success, candidate.length[places], rule)
    lift = float(candidate.success[places].mean()) - float(success.mean())
    return Explanation(rule, explained, share_of(explained, lift))


def length_matched(baseline: Answers, candidate: Answers) -> np.ndarray:
    """Items whose responses differ by at most a tenth of the longer or two characters; boolean, shape [n]."""
    difference = np.abs(baseline.length - candidate.length)
    allowed = np.maximum(CLOSE_SHARE * np.maximum(baseline.length, candidate.length), CLOSE_CHARACTERS)
    return difference <= allowed


def audit_length(baseline: Answers, candidate: Answers, confidence: float, seed: int) -> tuple[dict, dict]:
    """Metrics about length for a comparison, and the evidence that they rest on.

    `lift_explained_by_length` is a share of the lift (0 when there is no lift to explain, above 1 when
    length explains more than all of it); `length_separation` is Youden's J of the best rule on the
    baseline's lengths; `length_artifact` their smaller, capped at 1: near 1 only when a rule on length
    alone both reproduces the baseline's scores and accounts for the lift. The intervals of the two shares
    come from a cluster bootstrap that finds the best rule anew in each draw.
    """
    found = explain(baseline, candidate)
    close = length_matched(baseline, candidate)
    matched = paired_table(baseline.success[close], candidate.success[close])
    n = len(baseline)

    def shares(places: np.ndarray) -> tuple[float, float]:
        drawn = explain(baseline, candidate, places)
        return drawn.share, drawn.artifact

    share_draws, artifact_draws = cluster_bootstrap(shares, baseline.clusters, seed).T
    metrics = {
        "length_auc_baseline": length_auc(baseline.length, baseline.success, confidence),
        "length_auc_candidate": length_auc(candidate.length, candidate.success, confidence),
        "length_separation": metric(found.rule["separation"], n=n),
        "lift_explained_by_length": metric(found.share, percentile_interval(share_draws, confidence), n),
        "length_artifact": metric(found.artifact, percentile_interval(artifact_draws, confidence), n),
        "length_matched_lift": lift_metric(matched, 1 - confidence),
    }
    evidence = {
        "rule": found.rule,
        "explained_lift": found.lift,
        "lift": float(candidate.success.mean()) - float(baseline.success.mean()),
        "shares_short": {
            arm.arm: float(is_short(arm.length, found.rule).mean()) for arm in (baseline, candidate)
        },
        "matched": {"within_share": CLOSE_SHARE, "within_characters": CLOSE_CHARACTERS, "n": matched.n},
    }
    return metrics, evidence
