"""The summary page, rendered from Jinja2 templates: self-contained HTML, everything foreign in it escaped.

Its one script sorts and filters tables; a policy admits that script alone, by its digest.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import jinja2
import yaml
from markupsafe import Markup

from workflow_scripts.core import report_answer, report_format, report_sources
from workflow_scripts.core.figure_svg import PALETTE
from workflow_scripts.core.figures import FIGURES
from workflow_scripts.core.report_cells import cell
from workflow_scripts.core.report_columns import TABLES
from workflow_scripts.core.report_descriptions import describe

PAGE, SCRIPT = "summary.html.j2", "tables.js"
SHOWN_DIFFERENCES = 48
MOST_ROWS = 150
CONTENTS = (
    ("arms", "Success by arm"),
    ("comparisons", "Paired comparisons"),
    ("registration", "Registered beforehand"),
    ("audit", "Evaluation audit"),
    ("gates", "Gates"),
    ("types", "By type of item"),
    ("differences", "Where the arms differ"),
    ("variants", "DPO variants"),
    ("items", "Test items"),
    ("base", "The base model"),
    ("data", "Generated data"),
    ("overlap", "Overlap with held-out data"),
    ("critic", "The critic"),
    ("pairs", "Preference pairs"),
    ("training", "Training"),
    ("automation", "What people did"),
    ("costs", "What it cost"),
    ("reproduce", "Reproduce it"),
    ("provenance", "Provenance"),
    ("sessions", "Sessions and hardware"),
    ("sources", "Where each number comes from"),
)
VARYING = ("costs", "sessions")  # what differs between two identical runs
XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


def environment(templates) -> jinja2.Environment:
    """A Jinja2 environment over a directory: escaping on, undefined names refused."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = ("decimal", "percent", "points", "p_value", "count", "number", "words", "inert")
    found.filters |= {name: getattr(report_format, name) for name in filters}
    found.filters["metric"] = lambda row: cell(METRIC_CELL, row)
    found.filters |= {"linked": report_sources.linked, "shown_as": shown_as}
    found.filters |= {"asked": asked, "judged": lambda row: cell(GATE_CELL, row)}
    found.globals |= {"columns": TABLES, "cell": cell, "palette": PALETTE}
    found.globals |= {
        "all_origins": report_sources.all_origins,
        "anchor": report_sources.anchor,
        "describe": describe,
        "differing_sample": differing_sample,
        "groups": groups,
        "in_table": report_sources.in_table,
        "judged_first": judged_first,
        "origins": report_sources.origins,
        "files_of": report_sources.files_of,
        "pivot": pivot,
        "table_origins": report_sources.table_origins,
        "thinned": thinned,
    }
    return found


GATE_CELL = next(column for column in TABLES["gates"] if column.name == "value")
METRIC_CELL = next(column for column in TABLES["metrics"] if column.name == "value")


def read_figure(path) -> Markup:
    """An SVG that this workflow drew, to be set into the page as it is."""
    return Markup(XML_DECLARATION.sub("", Path(path).read_text(encoding="utf-8")))


def read_captions(paths) -> dict[str, Markup]:
    """Captions by the names of their files."""
    return {Path(path).stem: report_format.caption(Path(path).read_text(encoding="utf-8")) for path in paths}


def groups(rows: list[dict], key: str) -> dict[str, list[dict]]:
    """Rows by their value of `key`, both in order of first appearance."""
    found = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def in_turn(parts: Iterable[list[dict]], most: int) -> list[dict]:
    """At most `most` rows, taken in turn from the parts, so that each is represented."""
    parts = list(parts)
    longest = max(map(len, parts), default=0)
    return [part[place] for place in range(longest) for part in parts if place < len(part)][:most]


def differing_sample(rows: list[dict], most: int = SHOWN_DIFFERENCES) -> list[dict]:
    """At most `most` rows of each pair of arms, over both directions and all families; in their own order."""
    pairs, shown = {}, []
    for row in rows:
        cells = pairs.setdefault((row["baseline"], row["candidate"]), {})
        cells.setdefault((row["succeeded"], row["type"], row["family"]), []).append(row)
    for cells in pairs.values():
        shown += sorted(in_turn(cells.values(), most), key=lambda row: row["#"])
    return shown


def thinned(rows: list[dict], most: int = MOST_ROWS) -> list[dict]:
    """At most `most` rows, evenly spaced, the first and the last among them."""
    if len(rows) <= most:
        return rows
    return [rows[round(place * (len(rows) - 1) / (most - 1))] for place in range(most)]


def pivot(rows: list[dict], across: str, down: str) -> tuple[list[str], dict[str, dict[str, dict]]]:
    """Rows as a grid: the values of `across`, and {value of `down`: {value of `across`: row}}."""
    columns = list(dict.fromkeys(row[across] for row in rows))
    grid = {}
    for row in rows:
        grid.setdefault(row[down], {})[row[across]] = row
    return columns, grid


def asked(criterion: dict) -> str:
    """What a criterion asks, without its metric’s name: `upper bound < 0.5, otherwise stop`."""
    bound = {"low": "lower bound ", "high": "upper bound "}.get(criterion["bound"], "")
    rule = criterion["rule"].partition(" ")[2].replace("<=", "≤").replace(">=", "≥")
    return (bound + rule).replace(" -", f" {report_format.MINUS}")


def judged_first(rows: list[dict], criteria: list[dict]) -> list[tuple[dict, list[dict]]]:
    """Each row of the table of metrics with the criteria that judge it; those that none judges come last."""
    found = {}
    for criterion in criteria:
        found.setdefault((criterion["source"], criterion["metric"]), []).append(criterion)
    paired = [(row, found.get((row["source"], row["metric"]), [])) for row in rows]
    return sorted(paired, key=lambda pair: not pair[1])


def measured(rows: list[dict]) -> dict[str, dict[str, float]]:
    """{file: {field: value}} of the table of all numbers, for sentences that state some."""
    return {
        source: {row["field"]: row["value"] for row in part}
        for source, part in groups(rows, "source").items()
    }


def commits(tables: dict[str, list[dict]]) -> list[str]:
    """The commits at which the records were made, in order of the files."""
    stated = [
        commit for row in tables["record_files"] for commit in (row["git_commit"] or "").split(", ") if commit
    ]
    return list(dict.fromkeys(stated))


def content_policy(script: str) -> str:
    """A policy under which the page's one script runs, by its SHA-256, and nothing is fetched."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def shown_as(value: float, form: str, *options) -> str:
    """A number by the name of its format: count, percent, points, p_value, number, decimal."""
    return getattr(report_format, form)(value, *options)


def teller(known: dict[str, dict[str, float]]) -> Callable:
    """A function of a file (without `.json`), a field and a format that writes the number with its source."""

    def told(file: str, field: str, form: str, *options) -> Markup:
        text = shown_as(known[file][field], form, *options)
        return report_sources.linked(text, f"{file}.json#{field}")

    return told


def page_content(tables, figures, captions, document, gates, workflow, results_link) -> dict:
    """All names that the templates use, from parsed files; `gates` {name: gate file}, `claim` among them.

    `workflow`: the configuration, the variants left out to keep the budget's cap ("dropped"), and who makes
    which file (core/report_sources.py).
    """
    tables = report_sources.numbered(tables)
    config = workflow["config"]
    primary = config["statistics"]["primary"]
    place = report_answer.primary_place(document, primary)
    sources = [row["source"] for row in tables["metrics"]]
    known = measured(tables["numbers"])
    return {
        "answer": report_answer.answer(document, primary, gates["claim"]),
        "captions": captions,
        "claim": gates["claim"],
        "commits": commits(tables),
        "comparisons": document,
        "confidence": document["confidence"],
        "config": config,
        "config_text": config_text(config),
        "contents": CONTENTS,
        "dropped": workflow["dropped"],
        "figures": figures,
        "lift_sources": [name for name in dict.fromkeys(sources) if name.startswith("dev_evaluation/")],
        "measured": known,
        "overridden": [gate for gate in gates.values() if gate["override"]],
        "pair_sources": list(dict.fromkeys(name for name in sources if name.startswith("preferences/"))),
        "primary": primary,
        "primary_entry": document["comparisons"][place],
        "primary_place": f"{report_sources.COMPARISONS}#comparisons.{place}",
        "results_link": results_link,
        "tables": tables,
        "titles": {name: figure.title for name, figure in FIGURES.items()},
        "varying": VARYING,
        "told": teller(known),
        "workflow": workflow,
    }


def config_text(config: dict) -> str:
    """The configuration as YAML, keys in alphabetical order."""
    return yaml.safe_dump(config, sort_keys=True, allow_unicode=True, default_flow_style=None, width=100)


def render(templates, content: dict, page: str = PAGE) -> str:
    """A page with its script as HTML text. `content` holds the names that the templates use."""
    script = (Path(templates) / SCRIPT).read_text(encoding="utf-8")
    found = environment(templates).get_template(page)
    return found.render(content, script=Markup(script), policy=content_policy(script))
