"""Edits of generated records: what they change, the mark that they leave, and how a mistake is refused."""

import json
import re

import pytest

from tests.report_run_data import record
from workflow_scripts import apply_edits, deduplicate
from workflow_scripts.core import edits, schemas
from workflow_scripts.core.errors import InputError


def generated(index, instruction="Name two birds.", response="owl, crow", reason=None, **columns):
    """A record as the base wrote it; `reason` why it was rejected."""
    return record(
        shard=0,
        index=index,
        instruction=instruction,
        instruction_prompt_sha256="0" * 64,
        instruction_finish_reason="stop",
        response_raw=f" {response}",
        response=response,
        finish_reason="eos" if response else "",
        response_tokens=4,
        prompt_tokens=20,
        verdict_margin=None if reason else 1.5,
        p_yes=None if reason else 0.8,
        accepted=reason is None,
        rejected_reason=reason,
        **columns,
    )


RECORDS = [
    generated(0),
    generated(1, "List three fruits.", "apple, pear, plum"),
    generated(2, "Fruits!", "", "malformed_instruction"),
    generated(3, "Say a colour word.", "", "empty_response"),
    generated(4, "Name four trees.", "oak, elm, ash, fir", "critic"),
]


def names(*places):
    return [RECORDS[place]["record_id"] for place in places]


def written(tmp_path, *lines):
    """A file of edits; a line is text or an object."""
    path = tmp_path / "edits.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


def edit(place, action, replacement=None, **more):
    text = {} if replacement is None else {"replacement": replacement}
    return {"record_id": RECORDS[place]["record_id"], "action": action, **text, **more}


def edited(tmp_path, *lines):
    path = written(tmp_path, *lines)
    return edits.apply(RECORDS, edits.read_edits(path), path)


def refusal(tmp_path, *lines):
    with pytest.raises(InputError) as refused:
        edited(tmp_path, *lines)
    text = str(refused.value)
    assert text.startswith(f"{tmp_path / 'edits.jsonl'}: line {len(lines)}") and "\n" not in text
    return text


def test_records_nobody_touched_are_the_same(tmp_path):
    after = edited(tmp_path, edit(1, "drop"), "", edit(4, "replace_response", "oak, elm, ash, yew"))
    assert [after[place] for place in (0, 2, 3)] == [RECORDS[place] for place in (0, 2, 3)]
    assert [edits.edited(row) for row in (after[0], after[2], after[3])] == [None] * 3


def test_a_dropped_record_stays_and_is_accepted_no_more(tmp_path):
    row = edited(tmp_path, edit(1, "drop", minutes=0.5))[1]
    assert (row["accepted"], row["rejected_reason"]) == (False, "dropped_by_editor")
    assert row["response"] == RECORDS[1]["response"] and row["record_id"] == RECORDS[1]["record_id"]
    assert edits.edited(row) == {"record_id": names(1)[0], "actions": ["drop"], "minutes": 0.5}


def test_a_replaced_response_is_accepted_without_the_critic_and_named_anew(tmp_path):
    row = edited(tmp_path, edit(4, "replace_response", "oak, elm, ash, yew"))[4]
    assert (row["response"], row["response_raw"]) == ("oak, elm, ash, yew", " oak, elm, ash, fir")
    assert row["accepted"] and row["rejected_reason"] is None and row["verdict_margin"] is None
    assert row["record_id"] != names(4)[0] and edits.edited(row)["record_id"] == names(4)[0]
    assert json.loads(row["provenance"])["model"] == json.loads(RECORDS[4]["provenance"])["model"]


def test_instruction_and_response_can_both_be_replaced(tmp_path):
    lines = [
        edit(2, "replace_instruction", "List two fruits.", minutes=1),
        edit(2, "replace_response", "fig, kiwi", minutes=2),
    ]
    row = edited(tmp_path, *lines)[2]
    assert (row["instruction"], row["response"], row["accepted"]) == ("List two fruits.", "fig, kiwi", True)
    assert edits.edited(row)["actions"] == ["replace_instruction", "replace_response"]
    assert edits.edited(row)["minutes"] == 3


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "line 1: this is no JSON"),
        ("[1]", "line 1: write one JSON object per line"),
        (edit(0, "drop", note="x"), "line 1, note: unknown field; known are record_id, action"),
        (edit(0, "rewrite"), "line 1, action = 'rewrite': the actions are drop, replace_instruction"),
        ({"action": "drop"}, "line 1, record_id: give the record_id"),
        ({"record_id": "f" * 64, "action": "drop"}, "record_id = 'ffff.*no generated record is called so"),
        (edit(0, "drop", "text"), "replacement = 'text': an edit that drops a record replaces nothing"),
        (edit(0, "replace_response"), "replacement: give the text that replace_response puts in place"),
        (edit(0, "replace_response", ""), "replacement = '': .*has no empty_response"),
        (edit(0, "replace_response", "owl\nQuestion: Go on."), "has no delimiter_leak"),
        (edit(0, "replace_response", " owl"), "has no white space around it"),
        (edit(0, "replace_instruction", "1. Name two birds."), "without a number"),
        (edit(0, "replace_instruction", "Birds"), "two words or more"),
        (edit(0, "drop", minutes=-1), "minutes = -1: give the minutes"),
        (edit(0, "drop", minutes="5"), "minutes = '5': give the minutes"),
        (
            edit(2, "replace_response", "fig, kiwi"),
            "record's instruction .*malformed_instruction.*, too",
        ),
        (edit(3, "replace_instruction", "Say a colour."), "this record's response .*empty_response.*, too"),
    ],
)
def test_a_mistake_is_refused_by_line_field_and_value(tmp_path, line, named):
    message = refusal(tmp_path, line)
    assert re.search(named, message), message


def test_edits_that_exclude_each_other_are_refused_with_both_lines(tmp_path):
    message = refusal(tmp_path, edit(0, "drop"), "", edit(0, "replace_response", "owl, tit"))
    assert "line 3, action = 'replace_response': line 1 has drop for this record" in message
    again = edit(1, "replace_response", "apple, fig, plum")
    assert "line 1 has replace_response" in refusal(tmp_path, again, again)


def test_metrics_count_records_actions_and_minutes(tmp_path):
    path = written(
        tmp_path,
        edit(1, "drop", minutes=0.5),
        edit(2, "replace_instruction", "List two fruits.", minutes=1.5),
        edit(2, "replace_response", "fig, kiwi"),
        edit(4, "replace_response", "oak, elm, ash, yew"),
    )
    made = edits.read_edits(path)
    found = edits.report(RECORDS, edits.apply(RECORDS, made, path), made)["metrics"]
    values = {name: metric["value"] for name, metric in found.items()}
    assert found["never_edited_rate"] == {"value": 0.4, "n": 5}
    assert (values["edited_records"], values["dropped_records"], values["replaced_responses"]) == (3, 1, 2)
    assert (values["accepted_before"], values["accepted_after"]) == (2, 3)
    assert (values["edit_minutes"], values["edits_without_minutes"]) == (2.0, 2)


def run(tmp_path, *lines):
    """The command on two shards; the directory of its outputs."""
    shards = [tmp_path / f"shard-{number:03d}.parquet" for number in (0, 1)]
    schemas.write_records(shards[0], RECORDS[:3], schemas.RECORDS)
    schemas.write_records(shards[1], RECORDS[3:], schemas.RECORDS)
    out = tmp_path / "edits"
    words = ["--records", *shards, "--edits", written(tmp_path, *lines)]
    words += ["--edited", out / "records.parquet", "--report", out / "edits.json"]
    apply_edits.main([str(word) for word in words])
    return out


def test_a_mistake_leaves_nothing_behind(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, {"record_id": "unknown", "action": "drop"})
    assert ended.value.code == 1 and not list((tmp_path / "edits").glob("*"))
    error = capsys.readouterr().err
    assert error.startswith("apply_edits: error: ") and error.count("\n") == 1


def test_an_edited_record_is_marked_in_the_training_data(tmp_path):
    """All records go through the command, then through deduplication, which knows nothing of edits."""
    lines = [
        edit(1, "drop"),
        edit(2, "replace_instruction", "List two fruits."),
        edit(2, "replace_response", "fig, kiwi", minutes=2),
    ]
    out = run(tmp_path, *lines)
    rows = schemas.read_records(out / "records.parquet", schemas.RECORDS)
    assert [row["index"] for row in rows] == [0, 1, 2, 3, 4]
    held_out = tmp_path / "items.parquet"
    schemas.write_records(held_out, [], schemas.ITEMS)
    settings = {
        "near": {"characters": 5, "permutations": 128, "threshold": 0.8},
        "coverage": {"words": 8, "threshold": 0.8},
        "skeletons": {"heldout": "report", "at_most_per_skeleton": None},
    }
    words = ["--settings", json.dumps({"deduplication": settings}), "--records", out / "records.parquet"]
    words += ["--template", "config/prompts/completion.j2", "--exemplars", "config/exemplars.yaml"]
    words += [part for split in ("test", "dev", "calibration") for part in (f"--{split}", held_out)]
    words += ["--sentinels", "config/sentinels.yaml"]
    words += ["--train", tmp_path / "train.parquet", "--overlap", tmp_path / "overlap.json"]
    deduplicate.main([str(word) for word in words])
    examples = schemas.read_records(tmp_path / "train.parquet", schemas.SFT_EXAMPLES)
    marks = {row["instruction"]: edits.edited(row) for row in examples}
    assert marks == {
        "Name two birds.": None,
        "List two fruits.": {
            "record_id": names(2)[0],
            "actions": ["replace_instruction", "replace_response"],
            "minutes": 2.0,
        },
    }
    assert next(row for row in examples if marks[row["instruction"]])["verdict_margin"] is None
