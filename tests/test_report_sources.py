"""Every number of the report's pages names where it is from, and the place holds what is shown."""

import json
import re
from html.parser import HTMLParser

import pytest

from tests.page_numbers import Results, assert_sourced, shows, sources, walk
from tests.report_run import make_amended_run, make_report
from tests.report_run_costs import made_by, make_cost_page
from workflow_scripts.core import report_page, report_sources
from workflow_scripts.core.budget.tables import amount
from workflow_scripts.core.report_columns import TABLES


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_amended_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def pages(run):
    """{name: text} of both pages."""
    return {"summary": make_report(run), "costs": make_cost_page(run)}


@pytest.mark.parametrize(("name", "at_least"), [("summary", 3000), ("costs", 150)])
def test_every_number_names_a_place_that_holds_what_is_shown(run, pages, name, at_least):
    assert_sourced(pages[name], run, at_least)


def test_a_number_that_was_changed_on_the_page_is_found(run, pages):
    results = Results(run)
    cells = [text for text in sources(pages["summary"]) if text.source.endswith(".rate")]
    assert len(cells) > 5
    for text in cells:
        changed = re.sub(r"^[\d.]+", lambda found: f"{float(found[0]) + 0.1:.1f}", text.text)
        assert not shows(changed.partition(" (")[0], results.at(text.source))
    with pytest.raises(KeyError):
        walk({"a": {"b.c": 1}}, ["a", "b", "d"])
    assert walk({"a": {"b.c": [5]}}, ["a", "b", "c", "0"]) == 5


@pytest.mark.parametrize("name", ["summary", "costs"])
def test_every_named_file_is_told_with_rule_code_and_command(run, pages, name):
    """In a disclosure beside the number, or in the list that the number is a link to."""
    page, made = pages[name], made_by(run)
    files = {text.source.partition("#")[0] for text in sources(page)}
    assert len(files) > 2
    told = {}
    for rule, code, command in re.findall(
        r"Rule <code>(\w+)</code>, code <code>[\w/.]+</code> <code class=\"hash\">(\w{64})</code>"
        r"\n<pre><code>(.*?)</code>",
        page,
    ):
        told.setdefault(rule, set()).add((code, command))
    listed = set(re.findall(r'<tr id="(from-[^"]+)">', page))
    for file in files:
        rule = made["makers"][file]
        (code,) = {code for code, _ in told.get(rule, ())} or {made["code"][rule]}
        assert code == made["code"][rule]
        beside = any(
            f"results/{file}" in command or f"--until {rule}" in command for _, command in told.get(rule, ())
        )
        assert beside or report_sources.anchor(file) in listed, file
    links = re.findall(r'<a class="number" href="#([^"]+)"', page)
    assert all(f'id="{link}"' in page for link in links)


class Disclosures(HTMLParser):
    """The captions of the tables, and the ids of the figures, that stand beside no disclosure of sources."""

    def __init__(self, page: str):
        super().__init__()
        self.parts, self.without, self.count = [], [], 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        classes = (attributes.get("class") or "").split()
        if "sourced" in classes:
            self.parts.append({"tag": tag, "depth": 0, "told": False, "holds": []})
        elif self.parts and tag == self.parts[-1]["tag"]:
            self.parts[-1]["depth"] += 1
        if "sources" in classes and tag == "details" and self.parts:
            self.parts[-1]["told"] = True
        if tag == "div" and "scroll" in classes:
            self._holds(attributes["aria-label"])
        if tag == "figure":
            self._holds(attributes.get("id", "figure"))

    def _holds(self, name: str) -> None:
        self.count += 1
        if self.parts:
            self.parts[-1]["holds"].append(name)
        else:
            self.without.append(name)

    def handle_endtag(self, tag):
        if self.parts and tag == self.parts[-1]["tag"]:
            self.parts[-1]["depth"] -= 1
            if self.parts[-1]["depth"] < 0:
                part = self.parts.pop()
                self.without += [] if part["told"] else part["holds"]


def test_every_table_and_figure_has_its_disclosure(pages):
    """But for the list of sources itself, and that of the rules."""
    found = Disclosures(pages["summary"])
    assert found.count > 80
    assert found.without == ["Code and environment of each rule", "Sources"]
    assert Disclosures(pages["costs"]).without == []


def test_every_table_says_what_it_is_made_of():
    assert report_sources.BEHIND.keys() == TABLES.keys()


def test_the_parts_that_tables_name_are_in_the_files(run):
    """Of JSON files; a run of any size has them."""
    makers = dict.fromkeys(made_by(run)["makers"], "any")
    told = {"makers": makers, "code": {"any": "0" * 64}, "modules": {"any": "any.py"}}
    tables = report_page.report_sources.numbered(report_page_tables(run))
    for name, rows in tables.items():
        found = report_sources.table_origins(name, rows, told)
        assert found[0].files == (f"tables/{name}.csv",)
        assert len(found) > 1, name
        for origin in found[1:]:
            for file in origin.files:
                if file.endswith(".json") and origin.part:
                    document = json.loads((run / file).read_text())
                    assert any(part in document for part in origin.part.split(", ")), (
                        name,
                        file,
                        origin.part,
                    )


def report_page_tables(run) -> dict[str, list[dict]]:
    """The run's tables."""
    from workflow_scripts.core.report_columns import read_tables

    return read_tables([run / f"tables/{name}.csv" for name in TABLES])


def test_commands_name_few_files_and_rules_of_many():
    makers = {f"a/{place}.parquet": "respond" for place in range(9)} | {"b.json": "compare"}
    told = {
        "makers": makers,
        "code": {"respond": "1", "compare": "2"},
        "modules": {"respond": "r", "compare": "c"},
    }
    many, one = report_sources.origins([*makers, "given.yaml"], "", told)
    again = "snakemake --profile profiles/local --configfile results/config.yaml"
    assert many.command == f"{again} --forcerun respond --until respond"
    assert one.command == f"{again} --force -- results/b.json" and one.code == "2"


def test_the_policy_admits_the_page_s_script_alone(pages):
    for page in pages.values():
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
        script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
        assert policy.replace("&#39;", "'") == report_page.content_policy(script)


def test_costs_and_sessions_stand_on_the_page(run, pages):
    page = pages["summary"]
    section = page[page.index('<h2 id="costs"') : page.index('<h2 id="reproduce"')]
    ledger = json.loads((run / "budget/ledger.json").read_text())
    assert f"${amount(ledger['total']['dollars'])}" in section and "What a budget buys" in section
    assert all(f">{rule}</th>" in section for rule in ledger["by_rule"])
    sessions = page[page.index('<h2 id="sessions"') : page.index('<h2 id="sources"')]
    assert "H100, driver 580.1" in sessions and "snakemake --profile profiles/local" in sessions
    assert "1" * 40 + " with changes" in sessions and "25 GB" not in sessions and "24 GB" in sessions


def test_a_section_of_the_costs_page_without_a_figure_is_whole(pages):
    page = pages["costs"]
    assert page.count("<figure") == 1 and page.count("<svg") == 1
    sections = page.split("<section ")[1:]
    assert len(sections) == 4
    for section in sections:
        assert section.count("<table") >= 1 and "<tbody>\n<tr>" in section
        assert ("<figure" in section) is (">The plan</h2>" in section)
