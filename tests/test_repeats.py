"""A/A: which items are asked again, and what counts as a change or a flip."""

import json

import pytest

from tests.claim_run import WAYS
from tests.evaluation_files import write_arm, write_items, write_repeat
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation import repeats
from workflow_scripts.core.evaluation.repeated_items import items_to_repeat
from workflow_scripts.core.evaluation.scored_answers import read_answers
from workflow_scripts.core.schemas import ITEMS, RESPONSES, read_records, write_records

ITEM_IDS = [{"item_id": f"item-{place}"} for place in range(50)]


def test_the_items_asked_again_depend_on_the_ids_alone():
    chosen = items_to_repeat(ITEM_IDS, 10)
    assert len(chosen) == 10
    assert [ITEM_IDS.index(item) for item in chosen] == sorted(ITEM_IDS.index(item) for item in chosen)
    backwards = items_to_repeat(ITEM_IDS[::-1], 10)
    assert backwards == chosen[::-1]
    without_others = [item for item in ITEM_IDS if item in chosen or ITEM_IDS.index(item) % 2]
    assert items_to_repeat(without_others, 10) == chosen
    assert items_to_repeat(ITEM_IDS, 500) == ITEM_IDS


@pytest.fixture
def arm(tmp_path):
    """One arm of 20 answers, right on every second item; {item id: its row}; the file of its responses."""
    answers = [{"response": f"word{place}", "success": place % 2 == 0} for place in range(20)]
    scores, responses = write_arm(tmp_path, "base", answers)
    items = read_records(write_items(tmp_path / "items.parquet", {"base": answers}), ITEMS)
    return read_answers([scores], [responses]), {item["item_id"]: item for item in items}, responses


def test_only_a_change_that_the_check_judges_otherwise_is_a_flip(arm, tmp_path):
    """Place 0 turns wrong; 2 is right in another form; 3 is wrong in another way."""
    arms, items, responses = arm
    changes = {0: "another", 2: "Word2.", 3: "different"}
    path = write_repeat(tmp_path / "same.parquet", responses, changes, 10)
    found = repeats.read_repeat(path, "same", arms, items)
    metrics, (entry,) = repeats.audit_repeats([found], arms, 0.4, 0.95, 3)
    assert (entry["n"], entry["lost"], entry["gained"]) == (10, 1, 0)
    assert metrics["aa_response_changes"]["value"] == 0.3
    assert metrics["aa_flip_rate"]["value"] == 0.1
    assert metrics["aa_flips_over_lift"]["value"] == pytest.approx(0.25)
    assert metrics["aa_flips_over_lift"]["high"] == pytest.approx(metrics["aa_flip_rate"]["high"] / 0.4)
    assert [shown["item_id"] for shown in entry["examples"]] == ["item-00000"]
    none, _ = repeats.audit_repeats([found], arms, -0.1, 0.95, 3)
    assert none["aa_flips_over_lift"]["value"] == 0, "there is no lift that flips could make"


def test_the_worst_repetition_is_what_counts(arm, tmp_path):
    arms, items, responses = arm
    steady = write_repeat(tmp_path / "same.parquet", responses, {}, 20)
    shaky = write_repeat(tmp_path / "other.parquet", responses, {0: "another", 4: "another"}, 20)
    read = [
        repeats.read_repeat(path, way, arms, items)
        for path, way in ((shaky, "other_batch"), (steady, "same"))
    ]
    metrics, found = repeats.audit_repeats(read, arms, 0.4, 0.95, 3)
    assert [entry["way"] for entry in found] == ["other_batch", "same"]
    assert metrics["aa_flip_rate"] == found[0]["flips"] != found[1]["flips"]


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("arm", "dpo", "arm = 'dpo': no such arm was scored; these were: base"),
        ("item_id", "other", "item_id = 'other': base was not asked this item"),
        ("prompt_sha256", "0" * 64, "item_id = 'item-00000': base was sent another prompt"),
        ("provenance", '{"model": {"id": "sft"}}', "provenance.model: base was answered by another model"),
        ("item_id", "item-00001", "item_id = 'item-00001': keep one row per item"),
    ],
)
def test_a_repetition_of_something_else_is_refused(arm, tmp_path, column, value, named):
    arms, items, responses = arm
    rows = read_records(responses, RESPONSES)
    changed = [dict(rows[0], **{column: value}), *([] if column == "arm" else rows[1:5])]
    write_records(tmp_path / "bad.parquet", changed, RESPONSES)
    with pytest.raises(InputError, match="bad.parquet") as error:
        repeats.read_repeat(tmp_path / "bad.parquet", "same", arms, items)
    assert named in str(error.value)


@pytest.mark.slow
def test_the_embedded_base_and_what_is_made_of_it_answer_alike_every_time(finished_run):
    """In float32 a text depends on neither process nor batch: in a real run nothing changes."""
    audit = json.loads((finished_run / "results/evaluation/audit.json").read_text())
    assert [(entry["arm"], entry["way"], entry["n"]) for entry in audit["repeats"]] == [
        ("base", "same", 60),
        ("dpo-main", "same", 60),
        ("base", "other_batch", 60),
        ("dpo-main", "other_batch", 60),
    ]
    assert audit["metrics"]["aa_response_changes"]["value"] == 0
    for arm in ("base", "dpo-main"):
        repeats = [finished_run / f"results/evaluation_repeats/{arm}/{way}.parquet" for way in WAYS]
        assert repeats[0].read_bytes() == repeats[1].read_bytes(), "a record does not depend on its batch"
