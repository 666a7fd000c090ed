"""The report of a real run: each of its result files' numbers is in it, and every metric is explained."""

import json
import re

import pytest

from tests.number_walk import assert_listed
from tests.page_numbers import assert_sourced, sources
from workflow_scripts.core.figures import FIGURES
from workflow_scripts.core.report_columns import TABLES, read_table
from workflow_scripts.core.report_descriptions import describe

# What trainings and merges say of themselves is in the tables of identities and curves; sessions hold times;
# the ledger and its projections have a page of their own; the manifest lists files.
OTHERS = ("models/", "sessions/", "budget/", "manifest")
AUTOMATION = "budget/automation"  # counts, and no times


def test_every_number_of_every_result_file_is_in_the_report(finished_run):
    results = finished_run / "results"
    rows = read_table(results / "tables/numbers.csv", "numbers")
    names = {path.relative_to(results).with_suffix("").as_posix() for path in results.rglob("*.json")}
    names = {name for name in names if name == AUTOMATION or not name.startswith(OTHERS)}
    assert len(names) > 20 and names == {row["source"] for row in rows}
    for name in sorted(names):
        assert_listed(results / f"{name}.json", name, rows)


def test_every_metric_of_every_result_file_is_explained(finished_run):
    for row in read_table(finished_run / "results/tables/metrics.csv", "metrics"):
        assert describe(row["source"], row["metric"]), (row["source"], row["metric"])


@pytest.mark.parametrize("page", ["summary", "costs"])
def test_every_number_of_the_pages_names_a_place_that_holds_what_is_shown(finished_run, page):
    text = (finished_run / f"reports/{page}.html").read_text(encoding="utf-8")
    assert_sourced(text, finished_run / "results", at_least=300)


def test_the_sources_are_those_of_the_manifest(finished_run):
    """Who made each file, by the workflow's own account, and with which code."""
    page = (finished_run / "reports/summary.html").read_text(encoding="utf-8")
    manifest = json.loads((finished_run / "results/manifest.json").read_text())
    rows = re.findall(
        r'<tr id="from-[^"]+">.*?<code>([\w/.-]+)</code></a></th><td><code>(\w+)</code></td><td><code>'
        r'(\S+)</code><br><code class="hash">(\w{64})</code>',
        page,
    )
    made = {name.removeprefix("results/") for name in manifest["files"] if name.startswith("results/")}
    assert len(rows) > 100 and {file for file, *_ in rows} <= made
    for _, rule, module, code in rows:
        assert code == manifest["code"][rule] and (finished_run / module).is_file()
    makers = {file: rule for file, rule, *_ in rows}
    assert makers["statistics/comparisons.json"] == "compare"
    assert makers["tables/arms.csv"] == "report_tables" and makers["evaluation/sft/scores.parquet"] == "score"
    named = {text.source.partition("#")[0] for text in sources(page)}
    assert named <= makers.keys()


def test_the_page_is_small_and_links_to_what_there_is(finished_run):
    page = (finished_run / "reports/summary.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 5_000_000
    results = finished_run / "results"
    assert {path.stem for path in (results / "tables").glob("*.csv")} == TABLES.keys()
    assert {path.stem for path in (results / "figures").glob("*.svg")} == FIGURES.keys()
    linked = [part.partition('"')[0] for part in page.split('href="../results/')[1:]]
    assert linked and all((results / name).exists() for name in linked)
