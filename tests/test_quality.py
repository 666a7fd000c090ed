"""The funnel of records, and the quality report."""

import pytest

from workflow_scripts.core import quality
from workflow_scripts.core.deduplication.near import NearParameters


def record(index, instruction="Name a cat.", response="tom", reason=None, margin=1.0, finish="eos", raw=None):
    asked = reason not in quality.INSTRUCTION_REASONS
    judged = reason in (None, "critic")
    return {
        "record_id": str(index),
        "shard": 0,
        "index": index,
        "instruction": instruction,
        "response_raw": (raw or f" {response}") if asked else "",
        "response": response if asked else "",
        "finish_reason": finish if asked else "",
        "response_tokens": len(response) if asked else 0,
        "verdict_margin": margin if judged else None,
        "accepted": reason is None,
        "rejected_reason": reason,
    }


RECORDS = [
    record(0, "Name a cat."),
    record(1, "name a cat"),
    record(2, "Name a dog."),
    record(3, "7. Name", reason="malformed_instruction"),
    record(4, "Name a cow and", reason="truncated_instruction"),
    record(5, "Name a hen.", response="", reason="empty_response"),
    record(6, "Name an owl.", response="x", reason="critic", margin=-1.0),
    record(7, "Name a bee.", response="bee bee bee bee bee bee", reason="length", finish="length"),
]


def test_funnel_counts_every_step():
    train = [{"instruction": "Name a cat.", "completion": " tabby"}]
    steps = {step["step"]: step["count"] for step in quality.funnel(RECORDS, train)}
    assert steps == {
        "generated": 8,
        "well_formed": 6,
        "answered": 5,
        "clean": 4,
        "accepted": 3,
        "distinct": 2,
        "not_overlapping": 1,
        "trained_on": 1,
    }
    assert list(steps.values()) == sorted(steps.values(), reverse=True)


def test_report():
    report = quality.quality_report(RECORDS)
    value = {name: metric["value"] for name, metric in report["metrics"].items()}
    assert value["well_formed_rate"] == 6 / 8
    assert value["runaway_rate"] == value["token_limit_rate"] == value["empty_response_rate"] == 1 / 6
    assert value["delimiter_leak_rate"] == 0
    assert value["acceptance_rate"] == 3 / 4
    assert value["yield_rate"] == 2 / 8
    assert value["duplicate_instruction_rate"] == 1 / 6 and value["distinct_instructions"] == 5
    assert value["truncation_rate"] == 1 / 6 and value["refusal_rate"] == 0
    assert value["near_duplicate_instruction_rate"] == 1 / 6 and value["distinct_skeleton_share"] == 5 / 6
    assert value["median_answer_tokens"] == 3
    assert report["rejected_reasons"]["critic"] == 1 and len(report["rejected_reasons"]) == 5
    assert set(report["examples"]) == {"accepted", *report["rejected_reasons"]}
    low, high = report["metrics"]["acceptance_rate"]["low"], report["metrics"]["acceptance_rate"]["high"]
    assert 0 < low < 0.75 < high < 1


def test_a_leaked_delimiter_in_the_training_data_is_counted():
    train = [{"instruction": "Name a cat.", "completion": text} for text in (" tabby", " tabby\nVerdict: A")]
    metrics = quality.quality_report(RECORDS, train)["metrics"]
    assert metrics["trained_delimiter_leaks"] == {"value": 1.0, "n": 2}


def test_refusals_are_counted_and_shown():
    refused = [record(index, raw=" I'm sorry, but I can't help with that.") for index in range(7)]
    report = quality.quality_report(
        [*RECORDS, *refused], [{"instruction": "x", "completion": " Sure! Here."}]
    )
    assert report["metrics"]["refusal_rate"]["value"] == 7 / 13
    assert report["metrics"]["trained_refusal_rate"]["value"] == 1
    assert len(report["detected"]["refusal"]) == quality.EXAMPLES
    assert report["detected"]["refusal"][0]["response_raw"] == refused[0]["response_raw"]
    assert report["detected"]["delimiter_leak"] == []


def test_instructions_that_differ_in_their_slots_share_a_skeleton():
    texts = [f"Sort from low to high: {number}, two." for number in ("one", "six", "nine", "ten")]
    metrics = quality.quality_report([record(place, text) for place, text in enumerate(texts)])["metrics"]
    assert metrics["distinct_skeleton_share"]["value"] == 1 / 4
    assert metrics["duplicate_instruction_rate"]["value"] == 0
    assert metrics["near_duplicate_instruction_rate"]["value"] == 0


@pytest.mark.parametrize("records", [[], RECORDS[3:5], RECORDS[5:]])
def test_report_of_little(records):
    report = quality.quality_report(records, [])
    assert report["metrics"]["acceptance_rate"]["value"] == 0
    assert report["funnel"][-1] == {"step": "trained_on", "count": 0}


def test_the_near_parameters_are_those_asked_for():
    texts = ["Name a red fish in the sea.", "Name a red fish in the lake."]
    rows = [record(place, text) for place, text in enumerate(texts)]
    strict, loose = (
        quality.quality_report(rows, near_parameters=NearParameters(threshold=threshold))["metrics"]
        for threshold in (0.95, 0.3)
    )
    assert strict["near_duplicate_instruction_rate"]["value"] == 0
    assert loose["near_duplicate_instruction_rate"]["value"] == 0.5
