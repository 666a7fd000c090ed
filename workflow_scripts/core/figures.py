"""The report's figures: each is drawn from one of the report's tables, and told in words beside."""

from collections.abc import Callable
from dataclasses import dataclass

import altair as alt

from workflow_scripts.core import figure_charts, figure_evidence_charts, report_format
from workflow_scripts.core.figure_svg import render

PERCENT = report_format.percent


@dataclass(frozen=True)
class Figure:
    """A figure: its title, its table, which rows of the table it shows, how to draw and how to tell them."""

    title: str
    table: str
    choose: Callable[[dict], bool]
    draw: Callable[[list[dict]], alt.Chart]
    tell: Callable[[list[dict]], str]

    def rows(self, tables: dict[str, list[dict]]) -> list[dict]:
        """The rows it shows."""
        return [row for row in tables[self.table] if self.choose(row)]

    def svg(self, name: str, tables: dict[str, list[dict]]) -> str:
        """The figure as SVG text."""
        rows = self.rows(tables)
        return render(self.draw(rows), name, self.title, self.tell(rows))


def tell_rates(name: str, rate: str, low: str, high: str, form) -> Callable[[list[dict]], str]:
    """A teller of `NAME 52.0 % (49.0 % to 55.0 %)` for each row; `name` is a format string over the row."""

    def tell(rows: list[dict]) -> str:
        told = [
            f"{name.format(**row)}: {form(row[rate])}, {form(row[low])} to {form(row[high])}" for row in rows
        ]
        return "; ".join(told) + "."

    return tell


def tell_counts(name: str) -> Callable[[list[dict]], str]:
    """A teller of a count for each row."""
    return lambda rows: "; ".join(f"{name.format(**row)}: {row['count']}" for row in rows) + "."


def tell_roc(rows: list[dict]) -> str:
    """A few points of the curve."""
    shown = rows[:: max(1, len(rows) // 8)]
    rates = ("false_positive_rate", "true_positive_rate")
    told = [" and ".join(PERCENT(row[name], 0) for name in rates) for row in shown]
    return f"Wrong and right answers accepted: {'; '.join(told)}."


def tell_curves(rows: list[dict]) -> str:
    """First and last value of each run."""
    told = []
    for run in figure_charts.distinct(rows, "run"):
        values = [row for row in rows if row["run"] == run]
        first, last = values[0], values[-1]
        told.append(
            f"{run}: from {report_format.number(first['value'])} at step {first['step']}"
            f" to {report_format.number(last['value'])} at step {last['step']}"
        )
    return "; ".join(told) + "."


def tell_influence(rows: list[dict]) -> str:
    """The lift of the clusters that carry most of it."""
    shown = figure_evidence_charts.largest_shares(rows)[:8]
    told = [
        f"{row['group']}: {report_format.points(row['lift'])} points, {PERCENT(row['share'])} of the lift"
        for row in shown
    ]
    return f"{'; '.join(told)}; {len(rows) - len(shown)} more."


def tell_sentinels(rows: list[dict]) -> str:
    """Each sign as measured and as recorded."""
    told = [
        f"{report_format.words(row['metric'])}: {PERCENT(row['value'])}, on record "
        + ("nothing" if row["recorded"] is None else PERCENT(row["recorded"]))
        for row in rows
    ]
    return "; ".join(told) + "."


def tell_gate_errors(rows: list[dict]) -> str:
    """The probability of each decision at each true lift."""
    told = [
        f"{report_format.points(row['lift'])} points: "
        + ", ".join(f"{name} {PERCENT(row[name], 0)}" for name in figure_evidence_charts.OUTCOMES)
        for row in rows
    ]
    return "; ".join(told) + "."


def _of_gate(gate: str) -> Callable[[dict], bool]:
    return lambda row: row["gate"] == gate


def _bins(source: str, name: str) -> Callable[[dict], bool]:
    return lambda row: row["source"].startswith(source) and row["name"] == name


def _curve(name: str) -> Callable[[dict], bool]:
    return lambda row: row["name"] == name


def _all(row: dict) -> bool:
    return True


BIN = "{low:g} to {high:g}"
FIGURES = {
    "arms": Figure(
        "Success by arm",
        "arms",
        _all,
        figure_charts.draw_arms,
        tell_rates("{arm}", "rate", "rate_low", "rate_high", PERCENT),
    ),
    "differences": Figure(
        "Paired differences between arms",
        "comparisons",
        lambda row: row["scope"] == "overall",
        figure_charts.draw_differences,
        tell_rates(
            "{baseline} to {candidate}", "difference", "newcombe_low", "newcombe_high", report_format.points
        ),
    ),
    "types": Figure(
        "Success by type and arm",
        "types",
        _all,
        figure_charts.draw_types,
        tell_rates("{type}, {arm}", "rate", "rate_low", "rate_high", PERCENT),
    ),
    "influence": Figure(
        "What each template carries of the lift",
        "influence",
        lambda row: row["by"] == "cluster",
        figure_evidence_charts.draw_influence,
        tell_influence,
    ),
    **{
        f"gate_errors_{gate}": Figure(
            f"What the {gate} gate decides at a true lift",
            "error_rates",
            _of_gate(gate),
            figure_evidence_charts.draw_gate_errors,
            tell_gate_errors,
        )
        for gate in ("sft", "dpo")
    },
    "sentinel_rates": Figure(
        "Signs of an assistant in the base",
        "sentinels",
        _all,
        figure_evidence_charts.draw_sentinels,
        tell_sentinels,
    ),
    "funnel": Figure(
        "Records from generated to trained on",
        "funnel",
        lambda row: row["source"] == "sft_data/qc",
        figure_charts.draw_funnel,
        tell_counts("{step}"),
    ),
    "answer_tokens": Figure(
        "Length of generated answers",
        "histograms",
        _bins("sft_data/qc", "answer_tokens"),
        figure_charts.histogram_of("Tokens"),
        tell_counts(BIN),
    ),
    "verdict_margins": Figure(
        "Critic’s margin on generated answers",
        "histograms",
        _bins("sft_data/qc", "verdict_margin"),
        figure_charts.histogram_of("Margin, log-odds of yes"),
        tell_counts(BIN),
    ),
    "reliability": Figure(
        "Calibration of the critic",
        "reliability",
        _all,
        figure_charts.draw_reliability,
        tell_rates("P(yes) {predicted:.2f}", "observed", "observed_low", "observed_high", PERCENT),
    ),
    "roc": Figure("Discrimination of the critic", "roc", _all, figure_charts.draw_roc, tell_roc),
    "pair_margins": Figure(
        "Margin between chosen and rejected",
        "histograms",
        _bins("preferences/", "margin"),
        figure_charts.histogram_of("Difference of margins, log-odds"),
        tell_counts("{source}, " + BIN),
    ),
    "training_loss": Figure(
        "Training loss", "training", _curve("loss"), figure_charts.curves_of("Loss"), tell_curves
    ),
    "dev_success": Figure(
        "Success on dev during training",
        "training",
        _curve("dev_success"),
        figure_charts.curves_of("Success on dev", ".0%"),
        tell_curves,
    ),
    "reward_margins": Figure(
        "Reward margin during DPO",
        "training",
        _curve("rewards/margins"),
        figure_charts.curves_of("Margin of implicit rewards"),
        tell_curves,
    ),
}
