"""The parts of verify that need no run: seals, comparisons, the ROC curve's margins, where files lie."""

import json

import numpy as np
import pytest

from workflow_scripts.core import calibration, manifests, seals
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.outputs import write_json
from workflow_scripts.core.verification import comparing, evidence, jobs, listed
from workflow_scripts.core.verification.findings import Finding


def test_a_seal_is_broken_by_any_change_of_value_or_form(tmp_path):
    path = tmp_path / "sealed.json"
    write_json(path, seals.sealed({"b": [1, 2.5], "a": {"name": "Zoë"}}))
    text = path.read_text()

    def broken(changed: str):
        path.write_text(changed)
        return seals.broken_seal(path, json.loads(changed))

    assert broken(text) is None
    assert broken(text.replace("2.5", "2.6"))[0] == "seal"
    assert broken(text.replace("Zoë", "Zoe"))[0] == "seal"
    assert broken(text.replace('"a": {', '"a":  {'))[0] == "line 2"
    assert broken(text + "\n")[0] == "lines"
    without = {name: value for name, value in json.loads(text).items() if name != "seal"}
    assert broken(json.dumps(without))[2] == "absent"


@pytest.mark.parametrize(
    ("expected", "found", "place"),
    [
        ({"a": 1.0}, {"a": 1.0 + 1e-13}, None),
        ({"a": 1.0}, {"a": 1.0 + 1e-6}, ("a", 1.0, 1.0 + 1e-6)),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, ("a.1.b", "x", "y")),
        ({"a": True}, {"a": 1}, ("a", True, 1)),
        ({"seed": 2**62}, {"seed": 2**62 + 1}, ("seed", 2**62, 2**62 + 1)),
        ({"a": 0}, {}, ("a", 0, "absent")),
        ({}, {"a": None}, ("a", "absent", None)),
        ({"a": [1]}, {"a": [1, 2]}, ("a.1", "absent", 2)),
    ],
)
def test_the_first_field_that_differs(expected, found, place):
    assert next(comparing.differences(expected, found), None) == place


def test_a_provenance_may_state_another_maker_and_nothing_else():
    def row(**changes):
        origin = {"model": {"id": "m"}, "derived": {"code_digest": "1"}, "git_commit": "a", **changes}
        return {"record_id": "r", "provenance": json.dumps(origin)}

    assert comparing.row_difference(row(), row(git_commit="b", derived={"code_digest": "2"})) is None
    difference = comparing.row_difference(row(), row(model={"id": "n"}))
    assert difference == ("provenance.model.id", "m", "n")


def test_tables_and_texts_name_row_and_column(tmp_path):
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text('arm,rate\nbase,0.5\nsft,"0.75"\n')
    other.write_text("arm,rate\nbase,0.5\nsft,0.76\n")
    assert comparing.first_difference(one, other) == (2, "rate", "0.75", "0.76")
    other.write_text("arm,rate\nbase,0.50000000000000001\nsft,0.75\n")
    assert comparing.first_difference(one, other) is None
    page, second = tmp_path / "one.html", tmp_path / "other.html"
    page.write_text("<p>\n47.1 % of 1000\n")
    second.write_text("<p>\n47.2 % of 1000\n")
    row, field, expected, found = comparing.first_difference(page, second)
    assert (row, field) == (2, "line") and "47.1" in expected and "47.2" in found


def test_a_finding_is_one_line_that_names_everything():
    finding = Finding("results/x.parquet", "response", "a\nb" * 200, "c", "computed again", row=7)
    text = str(finding)
    assert text.startswith("results/x.parquet: row 7, response: expected a b")
    assert "\n" not in text and len(text) < 300


def test_an_roc_curve_gives_its_margins_back():
    rng = np.random.default_rng(0)
    margins = np.round(rng.normal(size=120), 1)
    is_good = np.tile([True, False], 60)
    back, good = evidence.margins_of(calibration.roc(margins, is_good), 60)
    assert sorted(zip(back, good, strict=True)) == sorted(zip(margins, is_good, strict=True))
    assert calibration.auc_metric(back, good.tolist())["value"] == pytest.approx(
        calibration.auc_metric(margins, is_good.tolist())["value"], abs=1e-15
    )


def test_a_command_line_is_taken_apart():
    shell = (
        'python -m workflow_scripts.gate --settings \'{"a": "b c"}\' --metrics x y --record-only 2>&1 | tee z'
    )
    module, arguments = jobs.command_of(shell)
    assert module == "gate"
    assert jobs.options_of(arguments) == {
        "settings": ['{"a": "b c"}'],
        "metrics": ["x", "y"],
        "record-only": [],
    }


@pytest.mark.parametrize("inside", [True, False])
def test_names_do_not_depend_on_where_a_run_lies(tmp_path, inside):
    results = tmp_path / "results-seed-2"
    reports = results / "reports" if inside else tmp_path / "reports"
    reports.mkdir(parents=True)
    results.mkdir(exist_ok=True)
    places = manifests.find_places(results)
    assert places.name_of(results / "gates/claim.json") == "results/gates/claim.json"
    assert places.name_of(reports / "summary.html") == "reports/summary.html"
    for name in ("results/gates/claim.json", "reports/summary.html"):
        assert places.name_of(places.path_of(name)) == name


@pytest.mark.parametrize("text", ["", "{}", "[]", "not JSON", '{"files": {}, "given": 1}'])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="manifest"):
        manifests.read_manifest(tmp_path)


def session(start: str, made: dict, planned: list) -> dict:
    return {
        "start": start,
        "config": {},
        "planned": planned,
        "made": {name: {"sha256": d} for name, d in made.items()},
    }


def test_the_last_session_that_made_a_file_counts_and_a_killed_one_leaves_it_open():
    file = "results/a.json"
    first = session("2026-01-01T00:00:00+00:00", {file: "1"}, [file])
    second = session("2026-01-02T00:00:00+00:00", {file: "2"}, [file])
    killed = session("2026-01-03T00:00:00+00:00", {}, [file])
    assert listed.made_by_sessions({"x": second, "y": first}) == {file: ("2", "x")}
    assert listed.made_by_sessions({"x": second, "y": first, "z": killed}) == {}
    found = listed.check_sessions({"files": {file: {"sha256": "1"}}}, {"x": second, "y": first})
    assert [(entry.file, entry.expected, entry.found) for entry in found] == [(file, "2", "1")]
