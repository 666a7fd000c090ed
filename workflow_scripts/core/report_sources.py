"""Where the numbers of the report come from: the files behind each table, and who makes each file.

The one home of file -> rule -> digest of its code -> command that makes it again. Which rule makes a file is
asked of the workflow (core/workflow_files.py) and reaches the page by its settings.

A place in a file is written FILE#WAY, the file below the folder of results: `tables/arms.csv#3.rate` is the
third row's `rate`, `evaluation/audit.json#length.lift` a field of a JSON file.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

CONFIGURATION = "config.yaml"
AGAIN = f"snakemake --profile profiles/local --configfile results/{CONFIGURATION}"
MOST_NAMED = 8

SCORES = "evaluation/*/scores.parquet"
AUDIT, CALIBRATION = "evaluation/audit.json", "critic/calibration.json"
OVERLAP, SENTINELS = "sft_data/overlap.json", "base/sentinels.json"
COMPARISONS, REGISTRATION = "statistics/comparisons.json", "statistics/preregistration.json"
OWN, AUTOMATION = "{source}.json", "budget/automation.json"
# For each table the files that its rows are made of (patterns, a row's own columns in braces), and the part
# of them: fields of a JSON file, columns of records.
BEHIND = {
    "arms": [(SCORES, "success")],
    "types": [(SCORES, "type, success")],
    "comparisons": [(COMPARISONS, "comparisons")],
    "funnel": [(OWN, "funnel")],
    "metrics": [(OWN, "metrics")],
    "histograms": [(OWN, "histograms")],
    "reliability": [(CALIBRATION, "reliability")],
    "roc": [(CALIBRATION, "roc")],
    "critic_groups": [(CALIBRATION, "auc_by_type, auc_by_family, auc_by_principle")],
    "training": [("models/*/metrics.parquet", "name, step, epoch, value")],
    "reasons": [(SCORES, "success, reason")],
    "audit_arms": [(AUDIT, "arms")],
    "gates": [("gates/{gate}.json", "criteria, override")],
    "differing_items": [
        (SCORES, "success, reason, type, family"),
        ("evaluation/*/responses.parquet", "response"),
        ("test_set/test.parquet", "instruction"),
    ],
    "identity": [("base/model.json", ""), ("models/*/training.json", "")],
    "record_files": [("{file}", "provenance")],
    "files": [("{file}", "")],
    "registration": [(REGISTRATION, "registered")],
    "amendments": [(REGISTRATION, "registered, amendments")],
    "deviations": [(COMPARISONS, "registration")],
    "detectable": [(COMPARISONS, "comparisons"), (REGISTRATION, "registered")],
    "planned_power": [(REGISTRATION, "registered")],
    "error_rates": [("gates/error_rates.json", "gates")],
    "repeats": [(AUDIT, "repeats")],
    "length_by_type": [(AUDIT, "arms")],
    "influence": [(AUDIT, "influence")],
    "failures": [(AUDIT, "arms")],
    "labels": [(AUDIT, "human_labels, metrics")],
    "label_disagreements": [(AUDIT, "human_labels")],
    "prompts": [("base/guard.json", "prompts_by_source")],
    "negative_control": [("base/guard.json", "negative_control")],
    "sentinels": [(SENTINELS, "metrics, deviations")],
    "sentinel_kinds": [(SENTINELS, "rates_by_kind")],
    "sentinel_answers": [(SENTINELS, "outcomes")],
    "item_counts": [
        (
            "test_set/audit.json",
            "items_by_type, items_by_family, items_by_phrasing, capacity_ratio_by_type",
        )
    ],
    "checks": [("test_set/audit.json", "checks")],
    "critic_prior": [(CALIBRATION, "content_free, content_free_prior, prior")],
    "p_yes": [(CALIBRATION, "worth_of_p_yes")],
    "overlaps": [(OVERLAP, "counts")],
    "overlap_methods": [(OVERLAP, "methods")],
    "overlap_sets": [(OVERLAP, "sets, metrics, train_sha256")],
    "overlap_examples": [(OVERLAP, "examples")],
    "removed_records": [(OVERLAP, "removed")],
    "detectors": [("sft_data/qc.json", "detectors")],
    "openings": [(OWN, "finish_reasons, rejected_reasons, openings")],
    "record_examples": [(OWN, "examples")],
    "telling_words": [(OWN, "telling_words")],
    "margin_quantiles": [(OWN, "margin_quantiles")],
    "pair_examples": [(OWN, "examples")],
    "dev_counts": [(OWN, "counts")],
    "dev_types": [(OWN, "types")],
    "variants": [("statistics/variants.json", "variants")],
    "gate_attempts": [(AUTOMATION, "gate_attempts")],
    "pass_rates": [(AUTOMATION, "pass_rates")],
    "record_checks": [(AUTOMATION, "record_checks")],
    "numbers": [(OWN, "")],
}


@dataclass(frozen=True)
class Origin:
    """Files that one rule makes, the part of them that is meant, and how they are made again."""

    files: tuple[str, ...]
    part: str
    rule: str
    module: str
    code: str

    @property
    def named(self) -> tuple[str, ...]:
        """The first of the files."""
        return self.files[:MOST_NAMED]

    @property
    def command(self) -> str:
        """The command that makes these files again, and nothing else. All of a rule's where they are many."""
        if len(self.files) > MOST_NAMED:
            return f"{AGAIN} --forcerun {self.rule} --until {self.rule}"
        return f"{AGAIN} --force -- {' '.join(f'results/{name}' for name in self.files)}"


def table_file(table: str) -> str:
    """The name of a table's CSV file."""
    return f"tables/{table}.csv"


def anchor(file: str) -> str:
    """The id of a file's line in the page's list of sources."""
    return "from-" + re.sub(r"[^A-Za-z0-9]+", "-", file)


def linked(text, place: str) -> Markup:
    """A number in a sentence, as a link to the source of its place."""
    link = Markup('<a class="number" href="#{}" data-source="{}">{}</a>')
    return link.format(anchor(place.partition("#")[0]), place, text)


def in_table(table: str, row: Mapping, column: str) -> str:
    """The place of a table's cell. `row["#"]`: its number in the file, from 1."""
    return f"{table_file(table)}#{row['#']}.{column}"


def numbered(tables: Mapping[str, Sequence[dict]]) -> dict[str, list[dict]]:
    """The tables with each row's number in its file as `#`."""
    return {
        name: [{**row, "#": number} for number, row in enumerate(rows, 1)] for name, rows in tables.items()
    }


def origins(files: Iterable[str], part: str, workflow: Mapping) -> list[Origin]:
    """Who makes some files, those of one rule together; files that no rule makes are left out.

    `workflow` {"makers": {file: rule}, "code": {rule: digest}, "modules": {rule: module}}.
    """
    by_rule: dict[str, list[str]] = {}
    for name in dict.fromkeys(files):
        if name in workflow["makers"]:
            by_rule.setdefault(workflow["makers"][name], []).append(name)
    return [
        Origin(tuple(names), part, rule, workflow["modules"][rule], workflow["code"][rule])
        for rule, names in by_rule.items()
    ]


def table_origins(table: str, rows: Sequence[Mapping], workflow: Mapping) -> list[Origin]:
    """The table's own file, then the files that these of its rows are made of."""
    found = origins([table_file(table)], "", workflow)
    for pattern, part in BEHIND[table]:
        wanted = dict.fromkeys(pattern.format_map(row) for row in rows) if "{" in pattern else [pattern]
        names = [name for one in wanted for name in fnmatch.filter(workflow["makers"], one)]
        found += origins(names, part, workflow)
    return found


def files_of(places: Iterable[str]) -> list[str]:
    """The files of some places, each once."""
    return list(dict.fromkeys(place.partition("#")[0] for place in places))


def all_origins(workflow: Mapping) -> list[Origin]:
    """Every file that the page is made from, in the order of their names, one by one."""
    return [origin for name in sorted(workflow["makers"]) for origin in origins([name], "", workflow)]
