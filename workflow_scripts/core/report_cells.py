"""A column of a table: how its cells are read from a CSV file, and how they are shown on the page."""

from dataclasses import dataclass

from workflow_scripts.core import report_format


@dataclass(frozen=True)
class Column:
    """One column: its name in the CSV file, its heading, its kind, and its interval's columns, if it has one.

    Kinds: text, words (a field's name), code (an identifier), foreign (a model's text), count, rate, points
    (both shares of 1), p, number, metric (shown as the row's `metric` or
    `field` asks), flag.
    """

    name: str
    heading: str
    kind: str = "text"
    interval: tuple[str, str] | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether its cells are numbers, to be set flush right."""
        return self.kind in ("count", "rate", "points", "p", "number", "metric")


PARSERS = {"count": int, "rate": float, "points": float, "p": float, "number": float, "metric": float}
FORMATS = {
    "count": report_format.count,
    "rate": report_format.percent,
    "points": report_format.points,
    "p": report_format.p_value,
    "words": report_format.words,
    "number": report_format.number,
}


def parse(kind: str, text: str):
    """What a CSV cell of this kind holds; None where it is empty and not foreign text."""
    if kind == "foreign":
        return text
    if text == "":
        return None
    return text == "True" if kind == "flag" else PARSERS.get(kind, str)(text)


def cell(column: Column, row: dict) -> str:
    """A row's cell in a column as it is shown: with its interval in brackets, an en dash for nothing."""
    value = row[column.name]
    if value is None:
        return "–"
    if column.kind == "foreign":
        return report_format.inert(value)
    if column.kind == "flag":
        return "yes" if value else "no"
    form = FORMATS.get(_kind_of(column, row), str)
    bounds = [row[name] for name in column.interval or ()]
    if not bounds or None in bounds:
        return form(value)
    bare = report_format.percent_number if form is report_format.percent else form
    return f"{form(value)} ({bare(bounds[0])} to {bare(bounds[1])})"


def _kind_of(column: Column, row: dict) -> str:
    if column.kind != "metric":
        return column.kind
    return report_format.metric_kind(row["metric"] if "metric" in row else row["field"])
