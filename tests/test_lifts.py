"""dev_lift and headroom: one-sided bounds that a gate can judge, rates before training."""

import json

import numpy as np
import pytest

from tests.evaluation_files import scored_rows, write_jsonl
from workflow_scripts import dev_lift, headroom
from workflow_scripts.core.statistics import intervals
from workflow_scripts.core.statistics.tables import PairedTable


def two_arms(tmp_path, left, right):
    return [
        write_jsonl(tmp_path / f"{name}.jsonl", scored_rows(success))
        for name, success in (("base", left), ("other", right))
    ]


def run_lift(tmp_path, files, settings="{}"):
    target = tmp_path / "lift.json"
    words = ["--baseline", files[0], "--candidate", files[1], "--report", str(target)]
    dev_lift.main([*words, "--settings", settings])
    return json.loads(target.read_text())


def test_one_sided_bounds(tmp_path):
    left = [1] * 120 + [0] * 60 + [1] * 15 + [0] * 105
    right = [1] * 120 + [1] * 60 + [0] * 15 + [0] * 105
    files = two_arms(tmp_path, left, right)
    report = run_lift(tmp_path, files, '{"confidence": 0.95}')
    lift = report["metrics"]["lift"]
    table = PairedTable(120, 15, 60, 105)
    assert (lift["value"], lift["n"]) == (0.15, 300)
    assert [lift["low"], lift["high"]] == pytest.approx(intervals.tango(table, 0.1))
    assert report["counts"] == {"both": 120, "only_baseline": 15, "only_candidate": 60, "neither": 105}
    assert report["metrics"]["baseline_rate"]["value"] == 0.45
    assert report["metrics"]["candidate_rate"]["value"] == 0.6
    assert report["types"].keys() == {"list", "factual"}
    assert (report["baseline"], report["candidate"]) == ("base", "other")
    strict = run_lift(tmp_path, files, '{"statistics": {"confidence": 0.99}}')["metrics"]["lift"]
    assert strict["low"] < lift["low"] < lift["high"] < strict["high"]


def test_a_bound_errs_as_often_as_it_says(tmp_path):
    """At a true lift on the threshold, `high < threshold` is false in about five of a hundred runs."""
    truth, n = 0.1, 300
    drawn = np.random.default_rng(1).multinomial(n, [0.4, 0.08, 0.18, 0.34], size=1500)
    below = [intervals.tango(PairedTable(*map(int, cells)), 0.1)[1] < truth for cells in drawn]
    assert np.mean(below) == pytest.approx(0.05, abs=0.02)


def test_identical_arms_have_no_lift(tmp_path):
    report = run_lift(tmp_path, two_arms(tmp_path, [1, 0, 1, 0], [1, 0, 1, 0]))
    assert report["metrics"]["lift"]["value"] == 0
    assert report["metrics"]["mid_p"]["value"] == 1
    assert report["metrics"]["minimum_detectable_effect"]["value"] is None


@pytest.mark.parametrize(
    "settings", ['{"confidence": "0.95"}', '{"confidence": 0.2}', '{"konfidence": 0.9}', "[]"]
)
def test_wrong_settings_are_refused(tmp_path, settings, capsys):
    files = two_arms(tmp_path, [1, 0], [1, 1])
    with pytest.raises(SystemExit):
        run_lift(tmp_path, files, settings)
    assert "dev_lift lift: error:" in capsys.readouterr().err
    assert not (tmp_path / "lift.json").exists()


def test_headroom(tmp_path):
    files = two_arms(tmp_path, [1] * 40 + [0] * 60, [1] * 5 + [0] * 95)
    target = tmp_path / "headroom.json"
    headroom.main(["--base", files[0], "--base-raw", files[1], "--report", str(target)])
    report = json.loads(target.read_text())
    assert report["metrics"]["base_success"]["value"] == 0.4
    low, high = intervals.wilson(40, 100)
    assert report["metrics"]["base_success"]["low"] == pytest.approx(low)
    assert report["metrics"]["base_success"]["high"] == pytest.approx(high)
    assert report["metrics"]["base_raw_success"]["value"] == 0.05
    assert report["metrics"]["format_effect"]["value"] == 0.35
    assert report["types"]["list"]["base"]["n"] == 50
