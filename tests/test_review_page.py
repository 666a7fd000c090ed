"""The review page in a real browser, at 70 jobs and at 500: read, sorted, filtered, by keyboard."""

import os
import re
import subprocess
import sys

import pytest

from tests import browser
from tests.conftest import REPOSITORY, TINY

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
MANY = "generation: {shards: 260}\npreferences: {shards: 170}\n"


def reviewed(folder, *overlays):
    """A page of the tiny configuration, of which nothing has been made yet; returns the page's folder."""
    places = ", ".join(
        f"{name}: {folder}/run/{name}" for name in ("results", "logs", "benchmarks", "reports")
    )
    command = ["snakemake", "--profile", "profiles/runpod", "--configfile", TINY, *map(str, overlays)]
    command += ["--config", f"pathvars={{{places}}}"]
    review = [
        sys.executable,
        "-m",
        "workflow_scripts.review",
        "--pages",
        str(folder / "pages"),
        "--",
        *command,
    ]
    result = subprocess.run(review, cwd=REPOSITORY, env=os.environ, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder / "pages"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{number of jobs to expect at least: the folder of a page}"""
    small, large = tmp_path_factory.mktemp("small"), tmp_path_factory.mktemp("large")
    (large / "many.yaml").write_text(MANY)
    return {60: reviewed(small), 490: reviewed(large, large / "many.yaml")}


@pytest.mark.parametrize(
    ("jobs", "width", "scheme"),
    [
        (60, browser.DESKTOP, "light"),
        (60, browser.DESKTOP, "dark"),
        (60, browser.PHONE, "light"),
        (60, browser.PHONE, "dark"),
        (490, browser.DESKTOP, "light"),
    ],
)
def test_a_page_is_quiet_local_narrow_and_readable_by_everyone(chromium, pages, jobs, width, scheme):
    with browser.visit(chromium, pages[jobs] / "index.html", width=width, scheme=scheme) as visit:
        assert visit.console == [] and visit.foreign_requests == []
        assert browser.sideways_overflow(visit.page) == 0
        if jobs == 60:
            visit.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        assert browser.serious_findings(visit.page) == []
        counted = re.match(r"(\d+) of \1 jobs would run", visit.page.inner_text("h1"))
        assert int(counted[1]) >= jobs


@pytest.mark.parametrize("jobs", [60, 490])
def test_text_in_drawings_is_large_enough_and_inside_its_box(chromium, pages, jobs):
    """Drawn at their own size, so that letters stay readable however many jobs there are."""
    with browser.visit(chromium, pages[jobs] / "index.html") as visit:
        found = visit.page.evaluate(
            """() => {
                document.querySelectorAll("details").forEach(part => { part.open = true; });
                const sizes = [], outside = [];
                for (const node of document.querySelectorAll("svg.graph g.node:not(.outside)")) {
                    const box = node.querySelector("path, polygon").getBoundingClientRect();
                    for (const text of node.querySelectorAll("text")) {
                        const place = text.getBoundingClientRect();
                        sizes.push(place.height);
                        const inside = place.left >= box.left - 1 && place.right <= box.right + 1;
                        if (!inside) outside.push(text.textContent);
                    }
                }
                return {smallest: Math.min(...sizes), count: sizes.length, outside};
            }"""
        )
        assert found["count"] > 150 and found["smallest"] >= 11 and found["outside"] == []


def test_tables_are_sorted_and_filtered(chromium, pages):
    with browser.visit(chromium, pages[490] / "index.html") as visit:
        page = visit.page
        table = page.get_by_role("table", name="Jobs that would run, and why")
        rows = table.locator("tbody tr:not([hidden])")
        everything = rows.count()
        page.get_by_label("Filter the jobs by any words").fill("generate_shard shard=0")
        assert rows.count() == 100 and "100 of" in page.get_by_role("status").first.inner_text()
        page.get_by_label("Filter the jobs by any words").fill("shard=099 generate")
        assert rows.count() == 1
        page.get_by_label("Filter the jobs by any words").fill("")
        assert rows.count() == everything
        heading = table.get_by_role("columnheader", name="Job")
        heading.get_by_role("button").press("Enter")
        ascending = table.locator("tbody th").all_inner_texts()
        assert heading.get_attribute("aria-sort") == "ascending"
        assert [name.split()[0] for name in ascending] == sorted(name.split()[0] for name in ascending)
        heading.get_by_role("button").press("Space")
        assert heading.get_attribute("aria-sort") == "descending"
        assert table.locator("tbody th").all_inner_texts() == ascending[::-1]
        table.get_by_role("columnheader", name="Place").get_by_role("button").click()
        places = [int(text) for text in table.locator("tbody td:first-child").all_inner_texts()]
        assert places == sorted(places)


def test_the_keyboard_goes_from_a_box_to_its_row_and_its_files(chromium, pages):
    with browser.visit(chromium, pages[60] / "index.html") as visit:
        stops = browser.tab_stops(visit.page)
        assert stops[0].startswith("a Skip to the review")
        for wanted in ("a Jobs", "input", "button Job", "summary ", "div Rules by stage"):
            assert any(stop.startswith(wanted) for stop in stops), wanted
        visit.page.locator('a[*|href="#stage-sft"]').first.focus()
        assert browser.focus_is_visible(visit.page)
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_function("document.getElementById('stage-sft').open")
        visit.page.locator('#stage-sft a[*|href="#rule-train_sft"]').first.press("Enter")
        visit.page.wait_for_function("location.hash === '#rule-train_sft'")


def test_without_scripts_nothing_is_missing(chromium, pages):
    with browser.visit(chromium, pages[60] / "index.html", scripts=False) as visit:
        jobs = int(visit.page.inner_text("h1").split()[0])
        assert visit.page.locator("section[aria-labelledby=jobs] tbody tr").count() == jobs
        assert visit.page.locator("button, input").count() == 0


def test_the_files_beside_the_page_are_drawings_and_text(chromium, pages):
    for folder in pages.values():
        names = {path.name for path in folder.iterdir()}
        assert names == {
            "index.html", "dag.svg", "rulegraph.svg", "filegraph.svg", "rulegraph.mmd", "jobs.json"
        }  # fmt: skip
        for name in ("dag", "rulegraph", "filegraph"):
            assert (folder / f"{name}.svg").read_text().rstrip().endswith("</svg>")
        assert (folder / "rulegraph.mmd").read_text().startswith("flowchart TB")
        assert sum(path.stat().st_size for path in folder.iterdir()) < 5_000_000
