"""The report's tables: which there are, their columns, and their CSV files."""

import csv
from collections.abc import Iterable
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.report_automation_columns import AUTOMATION_TABLES
from workflow_scripts.core.report_cells import Column, parse
from workflow_scripts.core.report_evidence_columns import EVIDENCE_TABLES


def _metric_columns(*leading: Column) -> tuple[Column, ...]:
    value = Column("value", "Value", "metric", ("low", "high"))
    return (*leading, Column("metric", "Metric", "words"), value, Column("n", "n", "count"))


TABLES = {
    "arms": (
        Column("arm", "Arm", "code"),
        Column("n", "Items", "count"),
        Column("successes", "Successes", "count"),
        Column("rate", "Success", "rate", ("rate_low", "rate_high")),
    ),
    "types": (
        Column("type", "Type", "words"),
        Column("arm", "Arm", "code"),
        Column("n", "Items", "count"),
        Column("rate", "Success", "rate", ("rate_low", "rate_high")),
    ),
    "comparisons": (
        Column("baseline", "Baseline", "code"),
        Column("candidate", "Candidate", "code"),
        Column("scope", "Items of type", "words"),
        Column("role", "Role", "words"),
        Column("n", "n", "count"),
        Column("both", "Both", "count"),
        Column("only_baseline", "Only baseline", "count"),
        Column("only_candidate", "Only candidate", "count"),
        Column("neither", "Neither", "count"),
        Column("baseline_rate", "Baseline rate", "rate", ("baseline_rate_low", "baseline_rate_high")),
        Column("candidate_rate", "Candidate rate", "rate", ("candidate_rate_low", "candidate_rate_high")),
        Column("difference", "Difference, points (Newcombe)", "points", ("newcombe_low", "newcombe_high")),
        Column("tango_low", "Tango, low", "points"),
        Column("tango_high", "Tango, high", "points"),
        Column("bootstrap_low", "Bootstrap, low", "points"),
        Column("bootstrap_high", "Bootstrap, high", "points"),
        Column("mid_p", "McNemar mid-p", "p"),
        Column("exact_p", "Exact p", "p"),
        Column("chi2", "Chi-squared", "number"),
        Column("chi2_p", "Chi-squared p", "p"),
        Column("chi2_cc", "Chi-squared, continuity-corrected", "number"),
        Column("cc_p", "Continuity-corrected p", "p"),
        Column("adjusted_p", "Adjusted p", "p"),
        Column("level", "Judged at", "number"),
        Column("cohens_h", "Cohen’s h", "number"),
        Column("minimum_detectable_effect", "Smallest detectable difference, points", "points"),
        Column("significant", "Significant", "flag"),
        Column("clusters", "Clusters", "count"),
        Column("clustered_low", "By clusters, low", "points"),
        Column("clustered_high", "By clusters, high", "points"),
        Column("cluster_bootstrap_low", "Bootstrap of clusters, low", "points"),
        Column("cluster_bootstrap_high", "Bootstrap of clusters, high", "points"),
        Column("clustered_error", "Standard error by clusters", "number"),
        Column("design_effect", "Design effect", "number"),
        Column("clustered_p", "p by clusters", "p"),
        Column("clustered_detectable_effect", "Smallest detectable by clusters, points", "points"),
    ),
    "funnel": (
        Column("source", "File", "code"),
        Column("step", "Step", "words"),
        Column("count", "Records", "count"),
        Column("share", "Of those generated", "rate"),
    ),
    "metrics": _metric_columns(Column("source", "File", "code")),
    "histograms": (
        Column("source", "File", "code"),
        Column("name", "Quantity", "words"),
        Column("low", "From", "number"),
        Column("high", "To, below", "number"),
        Column("count", "Records", "count"),
    ),
    "reliability": (
        Column("low", "P(yes) from", "number"),
        Column("high", "To, below", "number"),
        Column("predicted", "P(yes), mean", "number"),
        Column("observed", "Share of good answers", "rate", ("observed_low", "observed_high")),
        Column("n", "Judgements", "count"),
    ),
    "roc": (
        Column("threshold", "Threshold, log-odds", "number"),
        Column("false_positive_rate", "Wrong answers accepted", "rate"),
        Column("true_positive_rate", "Right answers accepted", "rate"),
    ),
    "critic_groups": (
        Column("by", "By"),
        Column("name", "Group", "words"),
        Column("auc", "AUC", "number"),
        Column("n", "Judgements", "count"),
    ),
    "training": (
        Column("run", "Run", "code"),
        Column("name", "Quantity", "code"),
        Column("step", "Step", "count"),
        Column("epoch", "Epoch", "number"),
        Column("value", "Value", "number"),
    ),
    "reasons": (
        Column("reason", "Reason of failure"),
        Column("arm", "Arm", "code"),
        Column("count", "Items", "count"),
    ),
    "audit_arms": (
        Column("arm", "Arm", "code"),
        Column("n", "Items", "count"),
        Column("success", "Success", "rate", ("success_low", "success_high")),
        Column("truncated", "Cut off", "rate", ("truncated_low", "truncated_high")),
        Column("empty", "Empty", "rate", ("empty_low", "empty_high")),
        Column("unparseable", "Unreadable", "rate", ("unparseable_low", "unparseable_high")),
        Column("median_characters", "Median characters", "number"),
        Column("percentile_95_characters", "95th percentile", "number"),
        Column("longest_characters", "Longest", "count"),
        Column("length_auc", "AUC of length", "number", ("length_auc_low", "length_auc_high")),
    ),
    "gates": (
        Column("gate", "Gate", "words"),
        Column("decision", "Decision"),
        Column("source", "File", "code"),
        Column("metric", "Measured", "words"),
        Column("value", "Value", "metric", ("low", "high")),
        Column("n", "n", "count"),
        Column("bound", "Judged by"),
        Column("measured", "That is", "metric"),
        Column("threshold", "Threshold", "metric"),
        Column("rule", "Asked"),
        Column("passed", "Holds", "flag"),
        Column("override", "Override"),
    ),
    "differing_items": (
        Column("item_id", "Item", "code"),
        Column("baseline", "Baseline", "code"),
        Column("candidate", "Candidate", "code"),
        Column("type", "Type", "words"),
        Column("family", "Family", "words"),
        Column("succeeded", "Who succeeded", "code"),
        Column("instruction", "Instruction", "foreign"),
        Column("baseline_response", "Baseline’s response", "foreign"),
        Column("baseline_reason", "Baseline’s score"),
        Column("candidate_response", "Candidate’s response", "foreign"),
        Column("candidate_reason", "Candidate’s score"),
    ),
    "identity": (Column("subject", "Subject"), Column("field", "Field"), Column("value", "Value", "code")),
    "record_files": (
        Column("file", "File", "code"),
        Column("model", "Model", "code"),
        Column("weights_sha256", "Weights, SHA-256", "code"),
        Column("engine", "Engine"),
        Column("code_digest", "Code digest", "code"),
        Column("git_commit", "Commit", "code"),
    ),
    "files": (Column("file", "File", "code"), Column("sha256", "SHA-256", "code")),
    **EVIDENCE_TABLES,
    **AUTOMATION_TABLES,
}


def _kinds(table: str) -> dict[str, str]:
    """{CSV column: kind}, with an interval's columns after their value."""
    kinds = {}
    for column in TABLES[table]:
        kinds |= {name: column.kind for name in (column.name, *(column.interval or ()))}
    return kinds


def write_table(path, table: str, rows: Iterable[dict]) -> None:
    """Writes rows as CSV: UTF-8, full precision, nothing for None or for a column that a row lacks."""
    names = list(_kinds(table))
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, restval=None, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_table(path, table: str) -> list[dict]:
    """Reads what write_table wrote, with the columns' types. InputError when the columns are others."""
    csv.field_size_limit(2**31 - 1)
    kinds = _kinds(table)
    with open(path, encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames != list(kinds):
            remedy = "these are not this table's columns: remove the file and let the workflow remake it"
            raise InputError(file=path, field="header", value=reader.fieldnames, remedy=remedy)
        return [{name: parse(kinds[name], text) for name, text in row.items()} for row in reader]


def read_tables(paths: Iterable) -> dict[str, list[dict]]:
    """Several tables by the names of their files."""
    return {Path(path).stem: read_table(path, Path(path).stem) for path in paths}
