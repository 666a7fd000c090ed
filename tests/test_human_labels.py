"""People's labels: agreement with the scorer, what they make of the lift, and the sheets to write them on."""

import csv
import json
import random

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa as reference_kappa

from tests.claim_run import run_claim
from tests.evaluation_files import write_jsonl
from workflow_scripts import evaluation_audit, label_sheet
from workflow_scripts.core.evaluation import agreement
from workflow_scripts.core.evaluation.human_labels import read_labels
from workflow_scripts.core.evaluation.scored_answers import read_answers

CELLS = ("both_right", "only_scorer_right", "only_people_right", "both_wrong")


def counts_of(*cells):
    return dict(zip(CELLS, cells, strict=True))


@pytest.mark.parametrize(
    "cells", [(40, 9, 6, 45), (90, 4, 3, 3), (5, 30, 28, 7), (25, 25, 25, 25), (1, 0, 0, 9)]
)
def test_kappa_is_that_of_statsmodels(cells):
    expected = reference_kappa(np.array(cells).reshape(2, 2))
    found = agreement.cohens_kappa(counts_of(*cells), 0.95)
    assert found["value"] == pytest.approx(expected.kappa)
    assert found["low"] == pytest.approx(max(-1, expected.kappa_low))
    assert found["high"] == pytest.approx(min(1, expected.kappa_upp))
    assert found["n"] == sum(cells)


@pytest.mark.parametrize("cells", [(0, 0, 0, 0), (9, 0, 0, 0)])
def test_kappa_of_nothing_to_disagree_on_is_not_measured(cells):
    assert agreement.cohens_kappa(counts_of(*cells), 0.95)["value"] is None


def test_success_is_corrected_by_what_people_say():
    """81 % of 300 answers passed; people call all 30 labelled failures right, and all 20 successes."""
    rate, variance = agreement.corrected_success(counts_of(20, 0, 30, 0), 243, 300)
    assert (rate, variance) == (1, 0)
    rate, _ = agreement.corrected_success(counts_of(18, 2, 5, 5), 150, 300)
    assert rate == pytest.approx(0.5 * 0.9 + 0.5 * 0.5)
    assert agreement.corrected_success(counts_of(20, 0, 0, 0), 243, 300) is None
    assert agreement.corrected_success(counts_of(20, 0, 0, 0), 300, 300) == (1, 0)


def test_the_corrected_success_is_as_wide_as_it_varies():
    """Over simulated evaluations, labelled by outcome, the stated variance is that of the estimate."""
    number = np.random.default_rng(3)
    found = []
    for _ in range(3000):
        scored = number.random(400) < 0.6
        truth = np.where(scored, number.random(400) < 0.9, number.random(400) < 0.3)
        places = np.concatenate([np.flatnonzero(scored)[:60], np.flatnonzero(~scored)[:60]])
        counts = agreement.confusion(scored[places], truth[places])
        found.append(agreement.corrected_success(counts, int(scored.sum()), 400))
    rates, variances = np.array(found).T
    assert rates.mean() == pytest.approx(0.6 * 0.9 + 0.4 * 0.3, abs=0.002)
    assert variances.mean() == pytest.approx(rates.var(), rel=0.08)


def scorer_that_fails_long_answers():
    """The base is right at any length, the candidate is brief; scored by length, people know better."""
    number = random.Random(2)
    arms = {"base": [], "sft": []}
    for _ in range(300):
        length = number.choice([20, 20, 60])
        arms["base"].append({"response": "".join(number.choices("bcdfgh", k=length)), "success": length < 50})
        arms["sft"].append({"response": "".join(number.choices("bcdfgh", k=20)), "success": True})
    return arms


@pytest.fixture
def run(tmp_path):
    run_claim(tmp_path / "run", scorer_that_fails_long_answers())
    return tmp_path / "run"


def files(run, name):
    return [str(run / arm / f"{name}.parquet") for arm in ("base", "sft")]


def make_sheet(run, sheet, settings='{"rows": 80}'):
    words = [
        "--scores",
        *files(run, "scores"),
        "--responses",
        *files(run, "responses"),
        "--sheet",
        str(sheet),
    ]
    label_sheet.main([*words, "--items", str(run / "items.parquet"), "--settings", settings])
    with open(sheet, encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def audit_with(run, labels, audit):
    words = [
        "--scores",
        *files(run, "scores"),
        "--responses",
        *files(run, "responses"),
        "--labels",
        str(labels),
    ]
    words += ["--comparisons", str(run / "comparisons.json"), "--settings", '{"primary": ["base", "sft"]}']
    evaluation_audit.main([*words, "--audit", str(audit)])
    return json.loads(audit.read_text())


def test_a_filled_sheet_shows_that_the_scorer_is_wrong(run, tmp_path):
    """From the sheet to the audit: people call the long answers right, so the lift is not there."""
    rows = make_sheet(run, tmp_path / "sheet.csv")
    with open(tmp_path / "sheet.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows({**row, "success": "Yes"} for row in rows)
    audit = audit_with(run, tmp_path / "sheet.csv", tmp_path / "audit.json")
    labels, metrics = audit["human_labels"], audit["metrics"]
    assert labels["arms"]["base"]["confusion"] == counts_of(20, 0, 20, 0)
    assert labels["arms"]["sft"]["confusion"] == counts_of(40, 0, 0, 0)
    assert labels["confusion"] == counts_of(60, 0, 20, 0)
    assert metrics["label_kappa"]["value"] == 0
    assert metrics["claim_lift"]["value"] > 0.2
    assert metrics["label_lift"]["value"] == 0
    shown = labels["arms"]["base"]["disagreements"]
    assert len(shown) == 3
    assert all(not example["success"] and example["characters"] == 60 for example in shown)


def test_a_sheet_is_blind_and_drawn_by_outcome_and_type(run, tmp_path):
    rows = make_sheet(run, tmp_path / "sheet.csv")
    assert rows[0].keys() == {"record_id", "type", "instruction", "response", "success", "minutes"}
    assert len(rows) == len({row["record_id"] for row in rows}) == 80
    assert all(row["success"] == "" and row["instruction"].startswith("Do number") for row in rows)
    arms = read_answers(files(run, "scores"), files(run, "responses"))
    places = {
        record: (name, place) for name, arm in arms.items() for place, record in enumerate(arm.record_ids)
    }
    drawn = [places[row["record_id"]] for row in rows]
    order = "".join("b" if name == "base" else "s" for name, _ in drawn)
    assert order.count("b") == 40 and "b" * 15 not in order and "s" * 15 not in order
    base = [place for name, place in drawn if name == "base"]
    assert sum(bool(arms["base"].success[place]) for place in base) == 20
    types = [arms["base"].types[place] for place in base]
    assert 15 <= types.count("list") <= 25
    again = make_sheet(run, tmp_path / "again.csv")
    assert again == rows


def test_a_sheet_is_never_written_over_and_needs_its_items(run, tmp_path, capsys):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("labels")
    for path, settings, named in (
        (sheet, '{"rows": 80}', "sheet.csv: this file exists and may hold labels"),
        (tmp_path / "new.csv", '{"rows": 1}', "rows = 1: ask for one answer of each arm"),
    ):
        with pytest.raises(SystemExit):
            make_sheet(run, path, settings)
        assert named in capsys.readouterr().err
    assert sheet.read_text() == "labels"
    assert not (tmp_path / "new.csv").exists()


def test_labels_come_by_item_and_arm_too(run, tmp_path):
    arms = read_answers(files(run, "scores"), files(run, "responses"))
    rows = [
        {"item_id": "item-00004", "arm": "sft", "success": True},
        {"record_id": arms["base"].record_ids[2]},
    ]
    rows[1]["success"] = 0
    unlabelled = {"item_id": "item-00005", "arm": "sft", "success": None}
    labels = read_labels(write_jsonl(tmp_path / "labels.jsonl", [*rows, unlabelled]), arms)
    assert labels["sft"][4] == 1 and labels["base"][2] == 0
    assert (labels["sft"] == -1).sum() + (labels["base"] == -1).sum() == 598
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbfarm,item_id,success\r\nsft,item-00004,TRUE\r\n")
    assert read_labels(tmp_path / "labels.csv", arms)["sft"][4] == 1


BAD_LABELS = {
    "unknown item": (b"item_id,arm,success\nx,base,true\n", "row 1, arm and item_id = ('base', 'x')"),
    "unknown record": (b"record_id,success\nx,true\n", "row 1, record_id = 'x'"),
    "no word": (b"item_id,arm,success\nitem-00001,base,maybe\n", "row 1, success = 'maybe'"),
    "twice": (b"item_id,arm,success\n" + b"item-00001,base,1\n" * 2, "row 2, item_id = 'item-00001'"),
    "no column": (b"item_id,arm\nitem-00001,base\n", "success: this column is missing (found: item_id, arm)"),
    "nothing filled in": (b"item_id,arm,success\nitem-00001,base,\n", "success: no row has a label"),
    "empty": (b"", "success: no row has a label"),
    "latin-1": (b"item_id,arm,success\ncaf\xe9,base,1\n", "byte 23: this byte is not UTF-8"),
    "not JSON": (b'{"item_id": "a"\n', "line 1: write one JSON object per line"),
    "a list": (b'{"item_id": "item-00001", "arm": "base", "success": 1}\n[1]\n', "line 2: write one JSON"),
    "a NaN": (b'{"item_id": "item-00001", "arm": "base", "success": NaN}', "line 1, success = 'nan'"),
    "a quote left open": (b'item_id,arm,success\n"item-00001,base,1\n', "no CSV that can be read"),
    "a long field": (b"item_id,arm,success\n" + b"x" * 10**6 + b",base,1\n", "no CSV that can be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels_are_named_and_nothing_is_written(run, tmp_path, case, capsys):
    content, named = BAD_LABELS[case]
    bad, audit = tmp_path / "bad.csv", tmp_path / "out" / "audit.json"
    bad.write_bytes(content)
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        audit_with(run, bad, audit)
    told = capsys.readouterr().err.strip()
    assert end.value.code == 1
    assert named in told and "bad.csv" in told
    assert len(told.splitlines()) == 1 and len(told) < 1000
    assert not audit.parent.exists() or not list(audit.parent.iterdir())


def test_a_label_file_that_is_not_there_is_named(run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        audit_with(run, tmp_path / "none.csv", tmp_path / "audit.json")
    assert "none.csv: evaluation.labels: cannot be read" in capsys.readouterr().err
