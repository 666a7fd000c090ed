"""The report's pages in a browser: read by everyone, by keyboard, sorted, filtered, with hostile texts."""

import re
import shutil

import pytest

from tests import browser
from tests.conftest import run_snakemake
from tests.report_run import make_report, make_run
from workflow_scripts.core.report_columns import read_table, write_table

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
OPEN_ALL = "document.querySelectorAll('details').forEach(part => { part.open = true; })"
OPEN_SOME = (
    "document.querySelectorAll('section > .sourced > .sources').forEach(part => { part.open = true; })"
)
ATTACK = "window.top.attacked = true; alert(1)"
HOSTILE = (
    f"<script>{ATTACK}</script> <!-- gone --> </script></style></textarea><img src=x onerror='{ATTACK}'>"
    f"<svg onload='{ATTACK}'></svg> <a href='javascript:{ATTACK}'>link</a>"
    " abc\u202edef a\x00b {{ 7 * 7 }} "
)
LONG = "x" * 100_000


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The folder of a small run whose candidate answers with attacks, and with 100,000 characters."""
    folder = tmp_path_factory.mktemp("hostile")
    texts = {f"item-{place:04d}": HOSTILE if place % 2 else LONG for place in range(63)}
    make_report(make_run(folder, n=63, responses=texts))
    return folder


@pytest.mark.parametrize(
    ("name", "width", "scheme", "opened"),
    [
        ("summary", browser.DESKTOP, "light", OPEN_ALL),
        ("summary", browser.PHONE, "dark", OPEN_SOME),
        ("costs", browser.DESKTOP, "dark", OPEN_ALL),
        ("costs", browser.PHONE, "light", OPEN_ALL),
    ],
    ids=lambda value: "" if "details" in str(value) or "sources" in str(value) else str(value),
)
def test_a_page_is_quiet_local_narrow_and_readable_by_everyone(
    chromium, finished_run, name, width, scheme, opened
):
    with browser.visit(chromium, finished_run / f"reports/{name}.html", width=width, scheme=scheme) as visit:
        visit.page.evaluate(opened)
        assert visit.console == [] and visit.foreign_requests == []
        assert browser.sideways_overflow(visit.page) == 0
        assert browser.serious_findings(visit.page) == []


def test_items_where_arms_differ_are_chosen_searched_and_sorted(chromium, hostile):
    rows = read_table(hostile / "results/tables/differing_items.csv", "differing_items")
    with browser.visit(chromium, hostile / "reports/summary.html") as visit:
        page = visit.page
        table = page.get_by_role("table", name="Items on which arms differ", exact=True)
        shown = table.locator("tbody tr:not([hidden])")
        section = page.locator("section[aria-labelledby=differences]")
        everything = shown.count()
        assert everything > 40

        def choice(label):
            return section.get_by_role("combobox", name=re.compile(f"^{label}"))

        choice("Arms").select_option("base → dpo-main")
        pair = [row for row in rows if (row["baseline"], row["candidate"]) == ("base", "dpo-main")]
        assert shown.count() == min(len(pair), 48) < everything
        choice("Direction").select_option("gained")
        gained = [row for row in pair if row["succeeded"] == "dpo-main"]
        assert shown.count() == len(gained)
        choice("Type").select_option("format")
        assert shown.count() == sum(row["type"] == "format" for row in gained)
        choice("Type").select_option("all")
        reason = gained[0]["baseline_reason"]
        choice("Reason").select_option(reason)
        assert shown.count() == sum(row["baseline_reason"] == reason for row in gained)
        assert f"{shown.count()} of {everything} rows" in section.get_by_role("status").first.inner_text()
        for label in ("Arms", "Direction", "Reason"):
            choice(label).select_option("all")
        choice("Family").select_option("lists")
        assert shown.count() == page.locator("table.items td:nth-child(2)", has_text="lists").count()
        choice("Family").select_option("all")
        number = re.search(r"\((\d+)\)", gained[0]["instruction"])[1]
        section.get_by_label("Search").fill(f"birds ({number}) base → DPO-main")
        assert shown.count() == 1
        section.get_by_label("Search").fill("")
        assert shown.count() == everything
        heading = table.get_by_role("columnheader", name="Type")
        heading.get_by_role("button").press("Enter")
        types = table.locator("tbody td:first-child").all_inner_texts()
        assert types == sorted(types) and heading.get_attribute("aria-sort") == "ascending"
        heading.get_by_role("button").press("Space")
        assert table.locator("tbody td:first-child").all_inner_texts() == types[::-1]


def test_numbers_are_sorted_by_size(chromium, finished_run):
    """Thousands apart, minus signs, powers of ten, intervals behind: as numbers, and dashes last."""
    with browser.visit(chromium, finished_run / "reports/summary.html") as visit:
        page = visit.page
        page.evaluate(OPEN_ALL)
        mixed = "–|2.1\u202f×\u202f10⁻⁵|−1.5 (−3 to 1)|12\u202f345|0.05|0.5|3 of 7|7,200"
        found = page.evaluate("texts => texts.sort(comparison(texts))", mixed.split("|"))
        wanted = "−1.5 (−3 to 1)|2.1\u202f×\u202f10⁻⁵|0.05|0.5|3 of 7|7,200|12\u202f345|–"
        assert found == wanted.split("|")
        table = page.get_by_role("table", name="Every criterion of every gate")
        table.get_by_role("columnheader", name="Value").get_by_role("button").click()
        texts = [text.split(" (")[0].removesuffix("%") for text in table.locator("td.n").all_inner_texts()]
        plain = [text.replace("−", "-").replace("\u202f", "") for text in texts if "×" not in text]
        values = list(map(float, plain))
        assert len(values) > 50 and values == sorted(values)


def test_a_number_leads_to_its_file_rule_code_and_command(chromium, finished_run):
    with browser.visit(chromium, finished_run / "reports/summary.html") as visit:
        page = visit.page
        part = page.locator("section[aria-labelledby=comparisons]")
        told = part.locator(".sourced > details.sources").first
        assert not told.locator("pre").first.is_visible()
        part.locator("td.n").first.click()
        words = told.inner_text()
        assert "row 1, column only_baseline of results/tables/comparisons.csv" in words
        assert "Rule report_tables" in words and "Rule compare" in words
        assert "--configfile results/config.yaml --force -- results/statistics/comparisons.json" in words


def test_a_number_in_a_sentence_is_a_link_to_the_list_of_files(chromium, finished_run):
    with browser.visit(chromium, finished_run / "reports/summary.html") as visit:
        page = visit.page
        page.locator("p.answer a.number").first.focus()
        assert browser.focus_is_visible(page)
        page.keyboard.press("Enter")
        page.wait_for_function("location.hash === '#from-statistics-comparisons-json'")
        row = page.locator("tr:target")
        assert row.is_visible() and "results/statistics/comparisons.json" in row.inner_text()
        link = finished_run / "reports" / row.get_by_role("link").get_attribute("href")
        assert link.resolve() == (finished_run / "results/statistics/comparisons.json").resolve()


def test_the_keyboard_reaches_everything_and_opens_sources(chromium, finished_run):
    with browser.visit(chromium, finished_run / "reports/summary.html") as visit:
        stops = browser.tab_stops(visit.page)
        assert stops[0].startswith("a Skip to the results")
        for wanted in ("summary Source", "select", "input", "button Type", "div Sources", "a config.yaml"):
            assert any(wanted in stop for stop in stops), wanted
        first = visit.page.locator("details.sources > summary").first
        first.focus()
        assert browser.focus_is_visible(visit.page)
        visit.page.keyboard.press("Enter")
        assert visit.page.locator("details.sources[open] pre").first.is_visible()


def dialogs_of(page) -> list[str]:
    """A list that the messages of the page's dialogs are written to."""
    messages = []

    def note(dialog):
        messages.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    return messages


@pytest.mark.parametrize("width", [browser.DESKTOP, browser.PHONE])
def test_hostile_texts_are_texts_and_break_nothing(chromium, hostile, width):
    with browser.visit(chromium, hostile / "reports/summary.html", width=width) as visit:
        page = visit.page
        dialogs = dialogs_of(page)
        page.reload()
        page.evaluate(OPEN_ALL)
        assert dialogs == [] and visit.console == [] and visit.foreign_requests == []
        assert page.evaluate("window.attacked") is None
        text = page.locator("table.items").inner_text()
        assert f"<script>{ATTACK}</script> <!-- gone -->" in text and "<img src=x" in text
        assert "abcU+202Edef" in text and "aU+0000b" in text and "{{ 7 * 7 }}" in text
        assert "… (100\u202f000 characters)" in text
        assert page.locator(":is(table.items, .foreign) :is(img, script, a, svg)").count() == 0
        assert browser.sideways_overflow(page) == 0
        edges = "Array.from(document.querySelectorAll('table.items tr'), row => row.scrollWidth)"
        assert max(page.evaluate(edges)) <= width


def test_without_scripts_and_on_paper_nothing_is_missing(chromium, finished_run):
    with browser.visit(chromium, finished_run / "reports/summary.html", scripts=False) as visit:
        page = visit.page
        assert page.locator("table.items tbody tr").count() > 10
        assert page.locator("button, input, select").count() == 0
    with browser.visit(chromium, finished_run / "reports/summary.html") as visit:
        page = visit.page
        page.emulate_media(media="print")
        assert page.locator("p.answer").is_visible() and page.locator("svg.chart").first.is_visible()
        assert not page.locator(".controls").first.is_visible() and not page.locator("nav").is_visible()
        assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
        ink = page.evaluate("getComputedStyle(document.body).color")
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).color") == ink


@pytest.mark.parametrize("name", ["summary", "costs"])
def test_no_table_is_cut_off_on_paper(chromium, finished_run, name):
    """The sheet is A4 with the page's own margins: 178 mm between them."""
    sheet = 673
    with browser.visit(chromium, finished_run / f"reports/{name}.html", width=sheet) as visit:
        visit.page.emulate_media(media="print")
        edges = visit.page.evaluate(
            "Array.from(document.querySelectorAll('table')).filter(table => table.offsetParent)"
            ".map(table => [table.caption.textContent, table.getBoundingClientRect().right])"
        )
        assert len(edges) > 5 and [entry for entry in edges if entry[1] > sheet] == []


def test_snakemake_s_report_shows_ours_and_no_response_as_markup(chromium, finished_run, hostile, tmp_path):
    """Tables are downloads there; the summary page, with hostile responses in it, is shown in a frame."""
    copy = tmp_path / "run"
    shutil.copytree(finished_run, copy, symlinks=True)
    shutil.copy(hostile / "reports/summary.html", copy / "reports/summary.html")
    table = copy / "results/tables/differing_items.csv"
    rows = read_table(table, "differing_items")
    write_table(table, "differing_items", [row | {"candidate_response": HOSTILE} for row in rows])
    result = run_snakemake(copy, "--quiet", "all", "--report", "report.html")
    assert result.returncode == 0, result.stdout[-3000:]
    with browser.visit(chromium, copy / "report.html") as visit:
        page = visit.page
        dialogs = dialogs_of(page)
        for category in ("1. Answer", "2. Gates", "3. Data", "4. Training", "5. Tables", "6. Cost"):
            assert page.get_by_text(category, exact=True).is_visible()
        page.get_by_text("5. Tables", exact=True).click()
        row = page.locator("tr", has_text="differing items")
        assert row.locator("a[download]").get_attribute("href").startswith("data:text/csv")
        page.get_by_text("Results", exact=True).first.click()
        page.get_by_text("1. Answer", exact=True).click()
        page.locator("tr", has_text="summary").first.locator("a").first.click()
        page.wait_for_function("document.querySelector('iframe') !== null")
        frame = page.frame_locator("iframe")
        assert "dpo-main" in frame.locator("h1").inner_text()
        assert f"<script>{ATTACK}</script>" in frame.locator("table.items").inner_text()
        assert dialogs == [] and visit.foreign_requests == []
        assert [line for line in visit.console if line.startswith("error")] == []
        assert page.evaluate("window.attacked") is None
