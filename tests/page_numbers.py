"""The numbers of a page of the report, each with the place that it names as its source, and what is there."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import yaml

from workflow_scripts.core import report_format
from workflow_scripts.core.budget.tables import amount
from workflow_scripts.core.report_columns import TABLES, read_table

VOID = {"br", "img", "meta", "link", "hr", "input"}
# Names, headings, code and models' texts hold digits that are no results; a drawing is its file.
NO_RESULTS = {
    "code",
    "pre",
    "script",
    "style",
    "svg",
    "title",
    "h1",
    "h2",
    "h3",
    "caption",
    "summary",
    "thead",
}
NO_RESULTS |= {"figcaption", "footer", "nav", "bdi"}
NO_RESULT_CLASSES = {"meaning", "eyebrow", "sources", "skip", "title"}
NAMES = re.compile(r"SHA-256|\(Zhao et al\. 2021\)|McNemar.s mid-p|χ²|\b[Nn]o \d")
HOURS = ("budget/ledger.json#total.wall_seconds", "budget/ledger.json#total.gpu_seconds")  # shown as hours
FORMS = (
    lambda value: report_format.percent(value),
    lambda value: report_format.percent(value, 0),
    report_format.percent_number,
    report_format.points,
    lambda value: report_format.p_value(value) if 0 <= value <= 1 else "",
    report_format.number,
    lambda value: report_format.decimal(value, 1),
    lambda value: report_format.decimal(value, 2),
    lambda value: report_format.decimal(100 * value, 1),
    lambda value: report_format.count(value) if float(value).is_integer() else "",
    amount,
    str,
)


@dataclass
class Text:
    """A text of the page: the names of the elements around it, and the nearest `data-source`."""

    text: str
    source: str | None
    tags: tuple[str, ...]


class Texts(HTMLParser):
    """Collects the texts of a page, those left out that hold no results."""

    def __init__(self, page: str):
        super().__init__()
        self.stack, self.found = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.stack.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        self.stack.pop()

    def handle_data(self, text):
        names = tuple(tag for tag, _ in self.stack)
        classes = {name for _, at in self.stack for name in (at.get("class") or "").split()}
        if text.strip() and not NO_RESULTS & set(names) and not NO_RESULT_CLASSES & classes:
            sources = [at["data-source"] for _, at in self.stack if "data-source" in at]
            self.found.append(Text(text, sources[-1] if sources else None, names))


def numbers(page: str) -> Iterator[Text]:
    """Every text with a digit that is a result."""
    for text in Texts(page).found:
        if re.search(r"\d", NAMES.sub("", text.text)):
            yield text


def sources(page: str) -> list[Text]:
    """Every text that states a source."""
    return [text for text in Texts(page).found if text.source]


class Results:
    """The folder of a run's results, its files read once."""

    def __init__(self, folder: Path):
        self.folder, self.read = folder, {}

    def _document(self, file: str):
        if file not in self.read:
            path = self.folder / file
            if file.endswith(".csv"):
                self.read[file] = read_table(path, path.stem)
            else:
                self.read[file] = (
                    yaml.safe_load(path.read_text())
                    if file.endswith(".yaml")
                    else json.loads(path.read_text())
                )
        return self.read[file]

    def at(self, place: str):
        """What stands at a place; the file's path where no place in it is named."""
        file, _, way = place.partition("#")
        if not way:
            assert (self.folder / file).is_file(), place
            return self.folder / file
        document = self._document(file)
        if file.endswith(".csv"):
            row, column = way.split(".", 1)
            return document[int(row) - 1][column]
        return walk(document, way.split("."))


def walk(value, names: list[str]):
    """The value at a way of names, which may hold dots themselves. KeyError when there is none."""
    if not names:
        return value
    if isinstance(value, list):
        return walk(value[int(names[0])], names[1:])
    for end in range(1, len(names) + 1):
        if ".".join(names[:end]) in value:
            return walk(value[".".join(names[:end])], names[end:])
    raise KeyError(names)


def shows(text: str, value) -> bool:
    """Whether a text shows a number, in one of the page's formats; a dash for none."""
    if isinstance(value, dict) and "value" in value:
        value = value["value"]
    if value is None:
        return text in ("–", "none")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    told = {form(value) for form in FORMS} - {""}
    return any(re.search(rf"(?<![\d.\u202f]){re.escape(one)}(?![\d.]*\d)", text) for one in told)


def interval_of(place: str) -> tuple[str, str] | None:
    """The places of the bounds of a number in a table; None for one without an interval."""
    file, _, way = place.partition("#")
    row, _, name = way.partition(".")
    column = next((one for one in TABLES.get(Path(file).stem, ()) if one.name == name), None)
    if not file.endswith(".csv") or column is None or column.interval is None:
        return None
    low, high = (f"{file}#{row}.{bound}" for bound in column.interval)
    return low, high


def is_numeric(place: str) -> bool:
    """Whether a place is in a column of numbers, or no place in a table."""
    file, _, way = place.partition("#")
    if not file.endswith(".csv") or not way:
        return True
    name = way.split(".", 1)[1]
    columns = {column.name: column for column in TABLES[Path(file).stem]}
    return name not in columns or columns[name].is_numeric


def assert_sourced(page: str, folder: Path, at_least: int) -> None:
    """Every number of a page names a source, and what is there is what the page shows, intervals too."""
    found = list(numbers(page))
    assert len(found) >= at_least
    assert [text for text in found if text.source is None] == []
    results = Results(folder)
    for text in sources(page):
        value = results.at(text.source)
        if text.source in HOURS:
            assert text.text == amount(value / 3600), text
        elif not isinstance(value, Path) and is_numeric(text.source):
            told, _, bounds = text.text.partition(" (")
            assert shows(told, value), (text, value)
            if bounds and (places := interval_of(text.source)):
                low, _, high = bounds.rstrip(")").partition(" to ")
                assert shows(low, results.at(places[0])) and shows(high, results.at(places[1])), text
