"""How much of a run went by itself: attempts of jobs, overrides, edits, labels, gates by attempt."""

import json

import pytest

from tests.attempt_files import write_attempt, write_gate
from workflow_scripts import automation as command
from workflow_scripts.core import automation, usage_files
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.human_labels import NO_MINUTES, label_minutes
from workflow_scripts.core.outputs import write_json


def jobs_of(directory):
    return automation.attempts_by_job(usage_files.read_attempts(directory))


def measured(directory, overridden=(), records=1000, edits=None, labels=NO_MINUTES):
    metrics = automation.metrics(jobs_of(directory), set(overridden), records, edits, labels)
    return {name: metric["value"] for name, metric in metrics.items()}, metrics


def test_an_undisturbed_run_needed_no_help(tmp_path):
    for minute, name in enumerate(("test_set", "train_sft", "respond evaluation/base")):
        write_attempt(tmp_path, name, minute)
    write_gate(tmp_path, "pilot", 9, 11, 11)
    values, metrics = measured(tmp_path)
    assert metrics["jobs_without_help_rate"] == {"value": 1.0, "n": 4}
    assert (values["jobs_retried_by_hand"], values["sessions"]) == (0, 1)
    assert (values["records_never_edited_rate"], values["human_minutes"]) == (1.0, 0)
    assert values["first_attempt_pass_rate"] == 1.0


@pytest.mark.parametrize("status", ["failed", None, "stopped"])
def test_a_job_that_did_not_complete_and_was_made_in_a_later_session_was_retried_by_hand(tmp_path, status):
    write_attempt(tmp_path, "test_set", 0)
    write_attempt(tmp_path, "train_sft", 1, status=status)
    write_attempt(tmp_path, "train_sft", 2, session="second")
    write_attempt(tmp_path, "merge_adapter sft-merged", 3, session="second")
    values, metrics = measured(tmp_path)
    assert metrics["jobs_without_help_rate"] == {"value": pytest.approx(2 / 3), "n": 3}
    assert (values["jobs_retried_by_hand"], values["jobs_retried_automatically"]) == (1, 0)
    assert values["sessions"] == 2


def test_a_retry_within_a_session_needs_no_person(tmp_path):
    write_attempt(tmp_path, "train_sft", 1, status="failed")
    write_attempt(tmp_path, "train_sft", 2)
    values, _ = measured(tmp_path)
    assert (values["jobs_retried_by_hand"], values["jobs_retried_automatically"]) == (0, 1)
    assert values["jobs_without_help_rate"] == 1.0


def test_a_job_made_again_because_something_changed_was_not_retried(tmp_path):
    write_attempt(tmp_path, "train_dpo main", 1)
    write_attempt(tmp_path, "train_dpo main", 2, session="second")
    assert measured(tmp_path)[0]["jobs_without_help_rate"] == 1.0


def test_a_gate_that_was_let_pass_is_a_job_with_help(tmp_path):
    write_gate(tmp_path, "pilot", 0, 11, 10)
    write_attempt(tmp_path, "gate pilot", 1, session="second")  # with the override in the configuration
    write_attempt(tmp_path, "test_set", 2)
    values, metrics = measured(tmp_path, overridden={"pilot"})
    assert metrics["jobs_without_help_rate"] == {"value": 0.5, "n": 2}
    assert values["gates_overridden"] == 1


def test_jobs_that_tell_of_the_run_do_not_count(tmp_path):
    write_attempt(tmp_path, "train_sft", 0)
    before = measured(tmp_path)
    for minute, name in enumerate(("report_tables", "cost_ledger", "manifest"), 1):
        write_attempt(tmp_path, name, minute, status="failed")
        write_attempt(tmp_path, name, minute + 10, session="second")
    assert measured(tmp_path) == before


def test_without_records_of_jobs_nothing_is_claimed(tmp_path):
    values, metrics = measured(tmp_path, records=0)
    assert metrics["jobs_without_help_rate"] == {"value": None, "n": 0}
    assert values["records_never_edited_rate"] is values["human_minutes_per_1000_records"] is None


def test_gates_by_attempt(tmp_path):
    write_gate(tmp_path, "pilot", 0, 11, 9)
    write_gate(tmp_path, "test_set", 1, 7, 7)
    write_gate(tmp_path, "pilot", 2, 11, 10, session="second")
    write_gate(tmp_path, "pilot", 3, 11, 11, session="third")
    write_gate(tmp_path, "claim", 4, 14, 3)
    write_gate(tmp_path, "gate-plan", 5, 1, 0)
    write_attempt(tmp_path, "gate budget", 6)
    rows = automation.gate_attempts(jobs_of(tmp_path))
    assert [(row["gate"], row["attempt"], row["hold"], row["passed"]) for row in rows] == [
        ("pilot", 1, 9, False),
        ("pilot", 2, 10, False),
        ("pilot", 3, 11, True),
        ("test_set", 1, 7, True),
    ]
    assert automation.pass_rates(rows) == [
        {"attempt": 1, "gates": 2, "passed": 1, "share": 0.5},
        {"attempt": 2, "gates": 1, "passed": 0, "share": 0.0},
        {"attempt": 3, "gates": 1, "passed": 1, "share": 1.0},
    ]
    assert measured(tmp_path)[0]["first_attempt_pass_rate"] == 0.5


def test_minutes_of_edits_and_labels_are_added_and_missing_ones_counted(tmp_path):
    edits = {
        "edited_records": {"value": 5.0},
        "edit_minutes": {"value": 12.5},
        "edits_without_minutes": {"value": 2.0},
    }
    labels = {"minutes": 30.0, "without_minutes": 1}
    values, metrics = measured(tmp_path, records=500, edits=edits, labels=labels)
    assert metrics["records_never_edited_rate"] == {"value": 0.99, "n": 500}
    assert (values["human_minutes"], values["edit_minutes"], values["label_minutes"]) == (42.5, 12.5, 30)
    assert values["human_minutes_per_1000_records"] == 85
    assert values["pieces_without_minutes"] == 3


def test_minutes_of_labels_are_read_from_their_file(tmp_path):
    sheet = tmp_path / "labels.csv"
    sheet.write_text("record_id,success,minutes\na,true,0.5\nb,false,\nc,,7\nd,yes,1\n")
    assert label_minutes(sheet) == {"minutes": 1.5, "without_minutes": 1}
    lines = tmp_path / "labels.jsonl"
    lines.write_text(
        '{"record_id": "a", "success": true, "minutes": 0}\n{"record_id": "b", "success": "1"}\n'
    )
    assert label_minutes(lines) == {"minutes": 0.0, "without_minutes": 1}
    sheet.write_text("record_id,success,minutes\na,true,soon\n")
    with pytest.raises(InputError, match="row 1, minutes = 'soon': write the minutes"):
        label_minutes(sheet)


def quality(path, generated, clean, accepted):
    counts = {"generated": generated, "clean": clean, "accepted": accepted}
    funnel = [{"step": step, "count": count} for step, count in counts.items()]
    path.parent.mkdir(parents=True)
    write_json(path, {"metrics": {"records": {"value": float(generated)}}, "funnel": funnel})
    return str(path)


def test_the_command_writes_the_same_for_the_same_history(tmp_path):
    """Whatever the times, the machine and the order in which jobs ran side by side."""
    qualities = [
        quality(tmp_path / "pilot/qc.json", 40, 36, 20),
        quality(tmp_path / "all/qc.json", 200, 0, 0),
    ]
    for name, override in (("pilot", "it is good enough for a test"), ("leakage", None)):
        write_json(
            tmp_path / f"{name}.json", {"override": override, "decision": "stop" if override else "pass"}
        )
    written = []
    for run, seconds in (("first", 5.0), ("second", 500.0)):
        usage = tmp_path / run
        order = ("train_sft", "gate pilot", "test_set")
        for minute, name in enumerate(order if run == "first" else reversed(order)):
            write_attempt(usage, name, minute, session=run, seconds=seconds)
        target = tmp_path / f"{run}.json"
        words = ["--usage", str(usage), "--qualities", *qualities, "--metrics", str(target)]
        words += ["--gates", *(str(tmp_path / f"{name}.json") for name in ("pilot", "leakage"))]
        command.main([*words, "--edits", "--labels"])
        written.append(target.read_bytes())
    assert written[0] == written[1]
    content = json.loads(written[0])
    assert content["metrics"]["gates_overridden"]["value"] == 1
    assert content["metrics"]["jobs_without_help_rate"]["n"] == 3
    pilot, generation = content["record_checks"]
    assert (pilot["clean_share"], pilot["accepted_share"]) == (0.9, pytest.approx(20 / 36))
    assert (generation["clean_share"], generation["accepted_share"]) == (0.0, None)
