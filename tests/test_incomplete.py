"""Answers that nobody could read: each reason, and texts that only look like one."""

import time

import numpy as np
import pytest

from workflow_scripts.core.evaluation import shares
from workflow_scripts.core.evaluation.incomplete import unparseable_reason


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("caf\ufffd", "undecodable"),
        ("Answer:", "only delimiters"),
        ("Question: Answer:\n---", "only delimiters"),
        ("fox\nQuestion: Name a fruit.", "runs on"),
        ("Assistant: fox", "runs on"),
        ("fox<|im_end|>", "runs on"),
        ("fox", None),
        ("...", None),
        ("42", None),
        ("\u96ea", None),
        ("The Question: what is a fox? is the title.", None),
        ("fox, fox, fox, fox, fox, fox, fox, fox", None),
        ("a long answer " * 200, None),
    ],
)
def test_why_a_response_cannot_be_read(response, reason):
    assert unparseable_reason(response) == reason


def test_a_response_of_a_million_characters_is_looked_at_in_time():

    start = time.perf_counter()
    for text in ("Question: " * 100_000, "x" * 1_000_000, "\n" * 999_999 + "x", "Answer" * 170_000):
        unparseable_reason(text)
    assert time.perf_counter() - start < 4


def test_a_share_is_of_the_net_wins():
    differences = np.array([1, 1, 1, -1, 0, 1, 1])
    assert shares.share_on(differences, np.arange(7) < 2) == 0.5
    assert shares.share_on(differences, np.arange(7) == 3) == 0
    assert shares.share_on(-differences, np.arange(7) < 2) == 0, "there is no lift to explain"


def test_clusters_are_drawn_whole_and_from_the_seed_alone():
    clusters = np.array(["a", "b", "b", "c", "c", "c"], dtype=object)
    drawn = []

    def count(places):
        drawn.append(np.bincount(places, minlength=6))
        return len(places)

    sizes = shares.cluster_bootstrap(count, clusters, seed=4)
    assert sizes.shape == (shares.DRAWS,)
    for times in drawn:
        assert times[1] == times[2] and times[3] == times[4] == times[5]
    assert sizes.mean() == pytest.approx(6, abs=0.15)
    assert shares.percentile_interval(sizes, 0.95) == (3, 9)
    assert (shares.cluster_bootstrap(len, clusters, seed=4) == sizes).all()
    assert (shares.cluster_bootstrap(len, clusters, seed=5) != sizes).any()


def test_the_interval_of_a_share_covers_it():
    """Half of the items carry three quarters of the lift; each item is its own cluster."""
    number = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        chosen = np.arange(600) < 300
        differences = (number.random(600) < np.where(chosen, 0.3, 0.1)).astype(int)
        found = shares.share_metric(
            lambda places, d=differences, c=chosen: shares.share_on(d[places], c[places]),
            np.arange(600),
            0.9,
            seed=int(number.integers(2**32)),
        )
        covered += found["low"] <= 0.75 <= found["high"]
    assert 0.8 < covered / 60 < 0.97
