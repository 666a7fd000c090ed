"""The report on a small finished run: tables, figures, the page's answer, foreign text, and sameness."""

import json
import random
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from tests.report_run import PRIMARY, RATES, ROOT, make_report, make_run
from workflow_scripts import report_figures
from workflow_scripts.core.figures import FIGURES
from workflow_scripts.core.report_columns import TABLES, read_table

# What a run without labels, amendments and deviations has nothing of.
MAY_BE_EMPTY = {"amendments", "deviations", "labels", "label_disagreements"}
VOID = {"br", "img", "meta", "link", "hr", "input"}
HOSTILE = {
    "<script>alert(1)</script>": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!-- --> --!> <![CDATA[x]]>": "&lt;!-- --&gt; --!&gt; &lt;![CDATA[x]]&gt;",
    "abc\u202edef": 'abc<span class="control">U+202E</span>def',
    "a\x00b": 'a<span class="control">U+0000</span>b',
    "{{ 7 * 7 }} {% endraw %}": "{{ 7 * 7 }} {% endraw %}",
    '"><img src=x onerror=alert(1)>': "&#34;&gt;&lt;img src=x onerror=alert(1)&gt;",
    "</textarea></style></svg>": "&lt;/textarea&gt;&lt;/style&gt;&lt;/svg&gt;",
    "crow\r\n\tne\u0301e\u2028 👩\u200d💻": "👩\u200d💻",
}
LONG = "x" * 100_000


def heading_of(page: str) -> str:
    """The page's first heading, without tags."""
    return without_tags(re.search(r"<h1>(.*?)</h1>", page)[1])


def without_tags(text: str) -> str:
    """The text of a piece of a page."""
    return re.sub(r"<[^>]+>", "", text)


def without_varying(page: str) -> str:
    """A page without the sections that say of themselves that they differ between identical runs."""
    left, count = re.subn(r"<section [^>]*data-varies>.*?</section>", "", page, flags=re.DOTALL)
    assert count == 2
    return left


class Page(HTMLParser):
    """Counts elements and ids, and sees that every element is closed where it must be."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.tags, self.ids, self.references, self.comments = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.references += (attributes.get("aria-labelledby") or "").split()
        self.references += [attributes["href"][1:]] if attributes.get("href", "").startswith("#") else []

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        self.comments.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with hostile responses on items that only the baseline or only the candidate solves."""
    folder = tmp_path_factory.mktemp("run")
    texts = [" ".join(HOSTILE), LONG]
    return make_run(folder, n=63, responses={f"item-{place:04d}": texts[place % 2] for place in range(63)})


@pytest.fixture(scope="module")
def page(run):
    return make_report(run)


def test_page_is_whole_well_formed_and_self_contained(page):
    found = Page(page)
    assert found.open == [] and not found.comments
    assert len(found.ids) == len(set(found.ids))
    assert set(found.references) <= set(found.ids)
    assert not {"link", "iframe", "object", "img", "form"} & set(found.tags)
    assert found.tags.count("script") == 1
    drawings = len(FIGURES) + 1  # and the budget's
    assert found.tags.count("svg") == drawings == found.tags.count("desc")
    assert found.tags.count("h1") == 1 and found.tags.count("caption") == found.tags.count("table")
    assert not re.search(r"(src|href)=\"(https?:|//)|url\((?!#)|@import", page)
    assert len(page.encode()) < 2_000_000


def test_page_opens_with_the_answer(page, run):
    entry = json.loads((run / "statistics/comparisons.json").read_text())["comparisons"][0]
    sentence = without_tags(re.search(r'<p class="answer">(.*?)</p>', page)[1])
    for number in (
        f"{100 * entry['candidate_rate']['estimate']:.1f}\u202f%",
        f"{100 * entry['baseline_rate']['estimate']:.1f}\u202f%",
        f"+{100 * entry['difference']['estimate']:.1f} percentage points",
        f"+{100 * entry['difference']['newcombe'][0]:.1f} to",
        "95\u202f% interval",
        "On 63 held-out items",
        "templates as units the interval is",
        "mid-p",
        "the claim gate passed",
    ):
        assert number in sentence
    assert heading_of(page) == "dpo-main improves on base" and 'class="override"' not in page


def test_hostile_responses_are_inert_text(page):
    cut = '<span class="cut">… (100\u202f000 characters)</span>'
    for shown in [*HOSTILE.values(), "x" * 480 + cut]:
        assert shown in page
    script = (ROOT / "reports/templates/tables.js").read_text()
    assert page.count("<script") == 1 and f"<script>{script}</script>" in page and "<!--" not in page
    assert "\u202e" not in page and "\x00" not in page and "\u2028" not in page
    assert "x" * 500 not in page


def test_equal_runs_give_equal_pages_without_machine_or_time(tmp_path):
    pages = []
    for name in ("first", "second/deeper"):
        results = make_run(tmp_path / name, n=20)
        pages.append(make_report(results))
        assert str(tmp_path) not in pages[-1]
        assert "private" not in pages[-1]
    assert without_varying(pages[0]) == without_varying(pages[1]) != pages[0]


@pytest.mark.parametrize(
    ("rates", "heading"),
    [
        ({**RATES, "dpo-main": 0.52}, "No improvement of dpo-main over base is shown"),
        ({**RATES, "dpo-main": 0.05}, "dpo-main is worse than base"),
    ],
)
def test_page_says_plainly_that_there_is_no_lift(run, page, tmp_path, rates, heading):
    page = make_report(make_run(tmp_path, rates=rates), drawn=run)
    assert heading_of(page) == heading
    assert "the claim gate says stop (claim" in without_tags(page) and "Claim gate: stop" in page
    missed = page[page.index("What each gate decided") : page.index("Every criterion: what was measured")]
    assert re.search(r"<div [^>]*>claim lift [^<]*, asked lower bound &gt; 0.0, otherwise stop</div>", missed)
    assert re.search(r'<div class="bad" [^>]*>✕ lower bound &gt; 0.0, otherwise stop</div>', page)


def test_overrides_stand_above_everything(run, page, tmp_path):
    rates, reason = {**RATES, "dpo-main": 0.5}, "we <b>know</b>"
    page = make_report(make_run(tmp_path, rates=rates, overrides={"claim": reason}), drawn=run)
    top = page[: page.index("<h1>")]
    assert 'class="override"' in top and "<strong>claim</strong> said stop" in top
    assert "we &lt;b&gt;know&lt;/b&gt;" in top


def test_every_table_can_be_read_back(run, page):
    for name in TABLES:
        assert bool(read_table(run / f"tables/{name}.csv", name)) is (name not in MAY_BE_EMPTY), name


def test_differing_items_are_complete_and_keep_the_text(run, page):
    entries = json.loads((run / "statistics/comparisons.json").read_text())["comparisons"]
    rows = read_table(run / "tables/differing_items.csv", "differing_items")
    counted = Counter((row["baseline"], row["candidate"]) for row in rows)
    for entry in entries:
        if entry["scope"] == "overall":
            differing = entry["only_baseline"] + entry["only_candidate"]
            assert counted.pop((entry["baseline"], entry["candidate"])) == differing > 0
    assert not counted
    assert (rows[0]["baseline"], rows[0]["candidate"]) == tuple(PRIMARY.values())
    said = {row["candidate_response"] for row in rows if row["candidate"] == PRIMARY["candidate"]}
    assert said == {" ".join(HOSTILE), LONG}


def test_figures_stand_alone_with_a_title_and_a_description(run, page):
    for name in FIGURES:
        svg = (run / f"figures/{name}.svg").read_text()
        assert svg.startswith("<svg") and f'id="{name}-title"' in svg
        description = re.search(r"<desc[^>]*>(.*?)</desc>", svg)[1]
        assert re.search(r"\d", description), name


def test_unknown_table_is_refused(run, capsys):
    with pytest.raises(SystemExit):
        report_figures.main(
            ["--tables", str(run / "tables/arms.csv"), "--figures", str(run / "figures/nothing.svg")]
        )
    assert "the figures are arms" in capsys.readouterr().err


def test_random_text_never_breaks_the_page():
    from workflow_scripts.core.report_format import inert

    draw = random.Random(0)
    for _ in range(300):
        text = "".join(chr(draw.choice([draw.randrange(0xD800), draw.randrange(0x250)])) for _ in range(40))
        parsed = Page(f"<p>{inert(text)}</p>")
        assert parsed.open == [] and set(parsed.tags) <= {"p", "bdi", "span"}
