"""Pairs from candidates: best against worst, subsets of the pool, and the audit of a pair set."""

import random

import pytest

from workflow_scripts.core import metrics, pair_audit, preferences


def candidate(name, number, response, margin, usable=True):
    return {
        "record_id": f"{name}-{number}",
        "seed": number,
        "prompt_sha256": f"prompt of {name}",
        "provenance": "{}",
        "instruction_id": name,
        "instruction": f"Do {name}.",
        "prompt": f"Question: Do {name}.\nAnswer:",
        "candidate": number,
        "response_raw": f" {response}",
        "response": response,
        "finish_reason": "eos" if usable else "length",
        "response_tokens": len(response),
        "prompt_tokens": 9,
        "verdict_margin": margin if usable else None,
        "p_yes": 0.5 if usable else None,
        "usable": usable,
    }


POOL = [
    candidate("a", 0, "owl", 0.2),
    candidate("a", 1, "crow", 1.0),
    candidate("a", 2, "stone", -3.0),
    candidate("a", 3, "never ends", 9.0, usable=False),
    candidate("b", 0, "cat", 0.1),
    candidate("b", 1, "dog", 0.3),
    candidate("c", 0, "x", None, usable=False),
]


def test_best_against_worst_of_the_usable():
    (pair,) = preferences.select_pairs(POOL, 4, 0.5)
    assert (pair["chosen"], pair["rejected"], pair["margin"]) == (" crow", " stone", 4.0)
    assert (pair["chosen_id"], pair["rejected_id"]) == ("a-1", "a-2")
    assert pair["prompt"] == "Question: Do a.\nAnswer:"


def test_best_of_two_is_cut_from_the_same_pool():
    (pair,) = preferences.select_pairs(POOL, 2, 0.5)
    assert (pair["chosen"], pair["rejected"]) == (" crow", " owl")
    assert preferences.select_pairs(POOL, 2, 0.81) == []
    assert preferences.select_pairs([row for row in POOL if row["candidate"] < 2], 2, 0.5) == [pair]


def test_ties_go_to_the_lower_number_and_equal_texts_make_no_pair():
    tied = [
        candidate("t", number, text, margin)
        for number, (text, margin) in enumerate([("p", 1), ("q", 1), ("r", 0), ("s", 0)])
    ]
    (pair,) = preferences.select_pairs(random.Random(1).sample(tied, 4), 4, 0.5)
    assert (pair["chosen_id"], pair["rejected_id"]) == ("t-0", "t-2")
    same = [candidate("s", number, "same", 1.0) for number in range(3)]
    assert preferences.select_pairs(same, 4, 0.0) == []


def test_a_margin_equal_to_the_least_is_enough():
    pool = [candidate("e", 0, "p", 0.107), candidate("e", 1, "q", 0.007)]
    assert 0.107 - 0.007 < 0.1  # in floats
    assert [pair["margin"] for pair in preferences.select_pairs(pool, 2, 0.1)] == [0.1]


def test_audit_of_sound_pairs():
    pairs = preferences.select_pairs(POOL, 4, 0.1)
    report = pair_audit.audit(pairs, POOL)
    values = {name: metric["value"] for name, metric in report["metrics"].items()}
    assert values["pairs"] == 2 and values["instructions"] == 3
    assert values["chosen_equals_rejected"] == values["duplicate_pairs"] == values["untraceable_pairs"] == 0
    assert values["median_margin"] == pytest.approx(2.1)
    assert values["longer_chosen_rate"] == 0.0
    assert sum(entry["count"] for entry in report["histograms"]["margin"]) == 2


def test_audit_finds_tampering():
    pair = preferences.select_pairs(POOL, 4, 0.5)[0]
    tampered = [
        {**pair, "chosen": " gold answer"},
        {**pair, "chosen": pair["rejected"], "margin": 0.0},
        pair,
        pair,
    ]
    values = {name: metric["value"] for name, metric in pair_audit.audit(tampered, POOL)["metrics"].items()}
    assert values["untraceable_pairs"] == 2
    assert values["chosen_equals_rejected"] == 1
    assert values["inverted_pairs"] == 1
    assert values["duplicate_pairs"] == 1


def test_audit_of_nothing():
    values = pair_audit.audit([], [])["metrics"]
    assert values["pairs"]["value"] == values["median_margin"]["value"] == 0


def test_rate_and_histogram():
    assert metrics.rate(0, 0) == {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}
    half = metrics.rate(5, 10)
    assert half["value"] == 0.5 and half["low"] == pytest.approx(0.2366, abs=1e-4)
    assert metrics.histogram([-0.1, 0.0, 0.4, 1.2], 0.5) == [
        {"low": -0.5, "high": 0.0, "count": 1},
        {"low": 0.0, "high": 0.5, "count": 2},
        {"low": 1.0, "high": 1.5, "count": 1},
    ]
