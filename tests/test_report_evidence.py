"""The report holds every number of the result files, explains each metric, and shows what left the plan."""

import json
import re

import pytest

from tests.number_walk import assert_listed, leaves
from tests.report_run import METRICS, make_amended_run, make_report, make_run
from workflow_scripts.core.figures import FIGURES
from workflow_scripts.core.report_columns import TABLES, read_table
from workflow_scripts.core.report_descriptions import describe
from workflow_scripts.core.report_numbers import numbers_in

STATISTICS = ("statistics/comparisons", "statistics/preregistration")
OTHERS = ("gates/headroom", "gates/claim", "base/model")
# Numbers that the page states in sentences or in the registered plan, and how something was computed.
ELSEWHERE = (
    r"^(confidence|power|alpha|fdr|bootstrap_samples|seed|target_precision)$",
    r"^length\.|^format_control\.",
    r"^registered\.plan\.|^amendments\.\d+\.(plan|expected)\.|^registration\.(amendments|primary_deviations)$",
    r"^methods\.\d+\.parameters\.",
    r"^detectors\.\w+\.n$",
    r"^gates\.\w+\.(confidence|n|planned_discordance|largest)",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_amended_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def page(run):
    return make_report(run)


def document(run, name):
    return json.loads((run / f"{name}.json").read_text())


@pytest.mark.parametrize("name", [*METRICS, *STATISTICS, *OTHERS])
def test_every_number_of_a_result_file_is_in_the_table_that_the_page_links_to(run, page, name):
    assert_listed(run / f"{name}.json", name, read_table(run / "tables/numbers.csv", "numbers"))
    assert '/tables/numbers.csv"' in page


@pytest.mark.parametrize("name", [*METRICS, *STATISTICS])
def test_numbers_of_audits_and_statistics_are_in_a_table_on_the_page_too(run, page, name):
    shown = set()
    for table in TABLES.keys() - {"numbers"}:
        for row in read_table(run / f"tables/{table}.csv", table):
            shown |= {value for value in row.values() if isinstance(value, int | float)}
    missing = {
        ".".join(path): number
        for path, number in leaves(document(run, name))
        if number not in shown and not any(re.search(pattern, ".".join(path)) for pattern in ELSEWHERE)
    }
    assert not missing


def test_numbers_stand_at_their_place_and_metrics_as_one_entry():
    found = list(numbers_in({"a": [{"value": 1, "n": 3}, 2.5], "b": {"value": 1, "rule": "x"}, "c": True}))
    assert found == [
        {"field": "a.0", "value": 1, "n": 3},
        {"field": "a.1", "value": 2.5},
        {"field": "b.value", "value": 1},
    ]


def test_every_metric_is_explained(run, page):
    for row in read_table(run / "tables/metrics.csv", "metrics"):
        assert describe(row["source"], row["metric"]), (row["source"], row["metric"])


def test_every_table_and_figure_is_filled_when_there_is_something_of_each(run, page):
    for name in TABLES:
        assert read_table(run / f"tables/{name}.csv", name), name
    assert all(f'id="figure-{name}"' in page for name in FIGURES)


def test_thresholds_stand_beside_what_they_judge(page):
    row = re.search(r'<th scope="row" class="metric"[^>]*>claim mid p.*?</tr>', page, re.DOTALL)[0]
    assert re.search(r'<div class="good" [^>]*>✓ &lt; 0.01, otherwise stop</div>', row)
    row = re.search(r'<th scope="row" class="metric"[^>]*>base success.*?</tr>', page, re.DOTALL)[0]
    assert "✓ lower bound &lt; 0.9, otherwise stop" in row


def test_deviations_and_amendments_are_shown_in_red(page):
    header = page[: page.index("</header>")]
    assert re.search(r'class="verdict bad"[^>]*>2 deviations from the registration</a>', header)
    section = page[page.index('<h2 id="registration"') : page.index('<h2 id="audit"')]
    assert section.count('class="override"') == 2 and "No deviation" not in section
    assert re.search(r"<strong [^>]*>2 deviations from the registration,\s+1 of them in what the", section)
    assert "1 plan was written down when responses to the test items existed" in section
    assert re.search(r"alpha</th>.*?0.05.*?0.01.*?yes", section, re.DOTALL)


def test_labels_of_people_are_shown_beside_the_scorer_s(run, page):
    kappa = document(run, "evaluation/audit")["metrics"]["label_kappa"]
    rows = read_table(run / "tables/labels.csv", "labels")
    assert [row["arm"] for row in rows] == ["both", "base", "dpo-main"]
    assert rows[0]["kappa"] == kappa["value"] and f"{kappa['value']:.3f} (" in page
    assert "No labels of people were given" not in page


def test_what_is_not_there_is_said(tmp_path, run, page):
    plain = make_report(make_run(tmp_path, n=63), drawn=run)
    assert "No deviation: the comparison was made as registered, and nothing was amended" in plain
    assert "No labels of people were given" in plain


def test_repeats_name_what_flipped(run, page):
    rows = read_table(run / "tables/repeats.csv", "repeats")
    assert {(row["arm"], row["way"]) for row in rows} == {
        (arm, way) for arm in ("base", "dpo-main") for way in ("same", "other_batch")
    }
    assert all((row["changed"] > 0) is (row["way"] == "other_batch") for row in rows)
