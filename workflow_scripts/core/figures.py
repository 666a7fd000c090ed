"""The report's figures: each is drawn from one of the report's tables."""

from collections.abc import Callable
from dataclasses import dataclass

import altair as alt

from workflow_scripts.core import report_format
from workflow_scripts.core.figure_svg import INK, MUTED, SERIES, render

WIDTH = 420
ROW = 30
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
FEW_POINTS, MOST_POINTS = 12, 400
CONTROL_ARM = "base_raw"


@dataclass(frozen=True)
class Figure:
    """A figure: its title, its table, which of the table's rows it shows, how to draw and how to tell them."""

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


def _chart(rows: list[dict]) -> alt.Chart:
    return alt.Chart(alt.Data(values=rows))


def _distinct(rows: list[dict], name: str) -> list[str]:
    return list(dict.fromkeys(row[name] for row in rows))


def _colours(arms: list[str]) -> list[str]:
    """A colour for each: grey for the bare control, the series' own for the others."""
    named = [arm for arm in arms if arm != CONTROL_ARM]
    colours = dict(zip(named, SERIES * len(named), strict=False))
    return [colours.get(arm, MUTED) for arm in arms]


def _coloured(rows: list[dict], name: str, legend=alt.Undefined):
    values = _distinct(rows, name)
    scale = alt.Scale(domain=values, range=_colours(values))
    return alt.Color(f"{name}:N", scale=scale, legend=legend)


def _shaped(rows: list[dict], name: str, legend=alt.Undefined):
    values = _distinct(rows, name)
    return alt.Shape(f"{name}:N", scale=alt.Scale(domain=values, range=list(SHAPES)), legend=legend)


def _share_axis(title: str, **options) -> dict:
    return {
        "scale": alt.Scale(domain=[0, 1]),
        "axis": alt.Axis(format=".0%", title=title, tickCount=5, **options),
    }


def draw_arms(rows: list[dict]) -> alt.Chart:
    """A point and its interval for each arm."""
    arms = _distinct(rows, "arm")
    labelled = [row | {"label": f"{100 * row['rate']:.1f} %"} for row in rows]
    base = _chart(labelled).encode(
        y=alt.Y("arm:N", sort=arms, title=None), color=_coloured(rows, "arm", legend=None)
    )
    interval = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("rate_low:Q", **_share_axis("Success on the test items")), x2="rate_high:Q"
    )
    point = base.mark_point(filled=True, size=90, opacity=1).encode(
        x="rate:Q", shape=_shaped(rows, "arm", legend=None)
    )
    label = base.mark_text(dy=-11, align="center").encode(x="rate:Q", text="label:N", color=alt.value(INK))
    return (interval + point + label).properties(width=WIDTH, height=(ROW + 8) * len(arms) + 40)


def draw_differences(rows: list[dict]) -> alt.Chart:
    """A point and its interval for each comparison, in percentage points around zero."""
    scaled = [
        {
            "pair": f"{row['baseline']} → {row['candidate']}",
            "points": 100 * row["difference"],
            "low": 100 * row["newcombe_low"],
            "high": 100 * row["newcombe_high"],
            "label": f"{100 * row['difference']:+.1f}".replace("-", report_format.MINUS),
        }
        for row in rows
    ]
    base = _chart(scaled).encode(y=alt.Y("pair:N", sort=_distinct(scaled, "pair"), title=None))
    zero = _chart([{"zero": 0}]).mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x="zero:Q")
    interval = base.mark_rule(strokeWidth=3, color=SERIES[3]).encode(
        x=alt.X("low:Q", axis=alt.Axis(title="Difference in percentage points")), x2="high:Q"
    )
    point = base.mark_point(filled=True, size=90, opacity=1, color=SERIES[3]).encode(x="points:Q")
    label = base.mark_text(dy=-11).encode(x="points:Q", text="label:N")
    return (zero + interval + point + label).properties(width=WIDTH, height=(ROW + 8) * len(scaled) + 40)


def draw_types(rows: list[dict]) -> alt.Chart:
    """For each type of item, a point and its interval for each arm."""
    arms, types = _distinct(rows, "arm"), _distinct(rows, "type")
    base = _chart(rows).encode(
        y=alt.Y("type:N", title=None, scale=alt.Scale(paddingInner=0.3)),
        yOffset=alt.YOffset("arm:N", sort=arms),
        color=_coloured(rows, "arm"),
    )
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("rate_low:Q", **_share_axis("Success on the test items of the type")), x2="rate_high:Q"
    )
    point = base.mark_point(filled=True, size=55, opacity=1).encode(x="rate:Q", shape=_shaped(rows, "arm"))
    return (interval + point).properties(width=WIDTH, height=len(types) * (16 * len(arms) + 14) + 90)


def draw_funnel(rows: list[dict]) -> alt.Chart:
    """A bar for each step, longest first."""
    steps = [row | {"step": report_format.words(row["step"])} for row in rows]
    base = _chart(steps).encode(
        y=alt.Y("step:N", sort=_distinct(steps, "step"), title=None),
        x=alt.X(
            "count:Q",
            axis=alt.Axis(title="Records", tickMinStep=1),
            scale=alt.Scale(domainMax=1.12 * max(row["count"] for row in rows) + 1),
        ),
    )
    bars = base.mark_bar(color=SERIES[3], height=16)
    labels = base.mark_text(align="left", dx=5).encode(text="count:Q")
    return (bars + labels).properties(width=WIDTH, height=ROW * len(steps) + 50)


def histogram_of(title: str, group: str | None = None) -> Callable[[list[dict]], alt.Chart]:
    """A drawer of bars from `low` to `high`; with `group` one colour for each of its values."""

    def draw(rows: list[dict]) -> alt.Chart:
        colour = _coloured(rows, group) if group else alt.value(SERIES[3])
        bars = _chart(rows).mark_bar(stroke=None, opacity=0.85 if group else 1, binSpacing=1)
        return bars.encode(
            x=alt.X("low:Q", bin="binned", axis=alt.Axis(title=title, grid=False, tickCount=8)),
            x2="high:Q",
            y=alt.Y("count:Q", stack=None, axis=alt.Axis(title="Records", grid=True, tickMinStep=1)),
            color=colour,
        ).properties(width=WIDTH, height=230)

    return draw


def draw_reliability(rows: list[dict]) -> alt.Chart:
    """How often an answer was good, against how sure the critic was; the diagonal is perfect calibration."""
    diagonal = _chart([{"predicted": 0, "observed": 0}, {"predicted": 1, "observed": 1}])
    base = _chart(rows).encode(x=alt.X("predicted:Q", **_share_axis("P(yes) of the critic, mean of the bin")))
    observed = alt.Y("observed:Q", **_share_axis("Share of good answers", grid=True))
    line = diagonal.mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1.5)
    interval = base.mark_rule(color=SERIES[3], strokeWidth=2).encode(y="observed_low:Q", y2="observed_high:Q")
    point = base.mark_point(filled=True, color=SERIES[3], opacity=1).encode(
        y=observed, size=alt.value(80)
    )
    return (line.encode(x="predicted:Q", y=observed) + interval + point).properties(width=WIDTH, height=300)


def curves_of(title: str, form: str = "~g") -> Callable[[list[dict]], alt.Chart]:
    """A drawer of one line for each run over its steps."""

    def draw(rows: list[dict]) -> alt.Chart:
        runs = {run: [row for row in rows if row["run"] == run] for run in _distinct(rows, "run")}
        longest = max(map(len, runs.values()))
        every = -(-longest // MOST_POINTS)
        base = _chart([row for run in runs.values() for row in run[::every]]).encode(
            x=alt.X("step:Q", axis=alt.Axis(title="Optimizer step", grid=False, tickMinStep=1)),
            y=alt.Y(
                "value:Q",
                axis=alt.Axis(title=title, format=form, grid=True, tickCount=5),
                scale=alt.Scale(zero=False),
            ),
            color=_coloured(rows, "run"),
        )
        lines = base.mark_line(strokeWidth=2).encode(strokeDash=_dashed(rows))
        points = base.mark_point(filled=True, size=50, opacity=1)
        return (lines + points if longest <= FEW_POINTS else lines).properties(width=WIDTH, height=240)

    return draw


def _dashed(rows: list[dict]):
    runs = _distinct(rows, "run")
    dashes = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 4]]
    return alt.StrokeDash("run:N", scale=alt.Scale(domain=runs, range=dashes))


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


def tell_curves(rows: list[dict]) -> str:
    """First and last value of each run."""
    told = []
    for run in _distinct(rows, "run"):
        values = [row for row in rows if row["run"] == run]
        first, last = values[0], values[-1]
        told.append(
            f"{run}: from {report_format.number(first['value'])} at step {first['step']}"
            f" to {report_format.number(last['value'])} at step {last['step']}"
        )
    return "; ".join(told) + "."


def _bins(source: str, name: str) -> Callable[[dict], bool]:
    return lambda row: row["source"].startswith(source) and row["name"] == name


def _curve(name: str) -> Callable[[dict], bool]:
    return lambda row: row["name"] == name


def _all(row: dict) -> bool:
    return True


PERCENT = report_format.percent
BIN = "{low:g} to {high:g}"
FIGURES = {
    "arms": Figure(
        "Success by arm", "arms", _all, draw_arms, tell_rates("{arm}", "rate", "rate_low", "rate_high", PERCENT)
    ),
    "differences": Figure(
        "Paired differences between arms",
        "comparisons",
        lambda row: row["scope"] == "overall",
        draw_differences,
        tell_rates(
            "{baseline} to {candidate}", "difference", "newcombe_low", "newcombe_high", report_format.points
        ),
    ),
    "types": Figure(
        "Success by type and arm",
        "types",
        _all,
        draw_types,
        tell_rates("{type}, {arm}", "rate", "rate_low", "rate_high", PERCENT),
    ),
    "funnel": Figure(
        "Records from generated to trained on",
        "funnel",
        lambda row: row["source"] == "sft_data/qc",
        draw_funnel,
        tell_counts("{step}"),
    ),
    "answer_tokens": Figure(
        "Length of generated answers",
        "histograms",
        _bins("sft_data/qc", "answer_tokens"),
        histogram_of("Tokens"),
        tell_counts(BIN),
    ),
    "verdict_margins": Figure(
        "Critic’s margin on generated answers",
        "histograms",
        _bins("sft_data/qc", "verdict_margin"),
        histogram_of("Margin, log-odds of yes"),
        tell_counts(BIN),
    ),
    "reliability": Figure(
        "Calibration of the critic",
        "reliability",
        _all,
        draw_reliability,
        tell_rates("P(yes) {predicted:.2f}", "observed", "observed_low", "observed_high", PERCENT),
    ),
    "pair_margins": Figure(
        "Margin between chosen and rejected",
        "histograms",
        _bins("preferences/", "margin"),
        histogram_of("Difference of margins, log-odds", "source"),
        tell_counts("{source}, " + BIN),
    ),
    "training_loss": Figure("Training loss", "training", _curve("loss"), curves_of("Loss"), tell_curves),
    "dev_success": Figure(
        "Success on dev during training",
        "training",
        _curve("dev_success"),
        curves_of("Success on dev", ".0%"),
        tell_curves,
    ),
    "reward_margins": Figure(
        "Reward margin during DPO",
        "training",
        _curve("rewards/margins"),
        curves_of("Margin of implicit rewards"),
        tell_curves,
    ),
}
