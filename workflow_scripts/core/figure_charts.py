"""The charts of the report: one function for each kind, rows of a table in, an Altair chart out."""

from collections.abc import Callable

import altair as alt

from workflow_scripts.core import report_format
from workflow_scripts.core.figure_svg import INK, MUTED, SERIES

WIDTH = 420
ROW = 30
SHAPES = ("circle", "square", "triangle-up", "diamond", "circle", "cross", "triangle-down")
FEW_TICKS = 6
FEW_POINTS, MOST_POINTS = 12, 400
# Colours and shapes are theirs in every figure; DPO variants take the ones that follow.
FAMILIAR = ("base_raw", "base", "sft", "sft-longer")
DASHES = ([1, 0], [1, 0], [1, 0], [6, 3], [1, 0], [2, 2], [8, 3, 2, 3])


def chart(rows: list[dict]) -> alt.Chart:
    """A chart of rows, without a mark yet."""
    return alt.Chart(alt.Data(values=rows))


def distinct(rows: list[dict], name: str) -> list[str]:
    """The values of a column, in order of first appearance."""
    return list(dict.fromkeys(row[name] for row in rows))


def _place(name: str, names: list[str]) -> int:
    """The place of an arm or a run among colours and shapes, the same in every figure."""
    if name in FAMILIAR:
        return FAMILIAR.index(name)
    return len(FAMILIAR) + [other for other in names if other not in FAMILIAR].index(name)


def _pick(choices: tuple, names: list[str]) -> list:
    return [choices[_place(name, names) % len(choices)] for name in names]


def _coloured(rows: list[dict], name: str, legend=alt.Undefined):
    values = distinct(rows, name)
    scale = alt.Scale(domain=values, range=_pick((MUTED, *SERIES), values))
    return alt.Color(f"{name}:N", scale=scale, legend=legend)


def _shaped(rows: list[dict], name: str, legend=alt.Undefined):
    values = distinct(rows, name)
    return alt.Shape(f"{name}:N", scale=alt.Scale(domain=values, range=_pick(SHAPES, values)), legend=legend)


def share_axis(title: str, **options) -> dict:
    """Scale and axis for shares, from 0 to 100 %."""
    return {
        "scale": alt.Scale(domain=[0, 1]),
        "axis": alt.Axis(format=".0%", title=title, tickCount=5, **options),
    }


def whole_axis(title: str, values: list[int], **options) -> alt.Axis:
    """An axis for counts from 0 on: few ticks, all at whole numbers."""
    most = max(values)
    step = next(
        step * 10**power for power in range(12) for step in (1, 2, 5) if step * 10**power * FEW_TICKS >= most
    )
    return alt.Axis(title=title, values=list(range(0, most + step, step)), format=",d", **options)


def draw_arms(rows: list[dict]) -> alt.Chart:
    """A point and its interval for each arm."""
    arms = distinct(rows, "arm")
    labelled = [
        row | {"label": f"{100 * row['rate']:.1f} %", "place": min(max(row["rate"], 0.05), 0.95)}
        for row in rows
    ]
    base = chart(labelled).encode(
        y=alt.Y("arm:N", sort=arms, title=None), color=_coloured(rows, "arm", legend=None)
    )
    interval = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("rate_low:Q", **share_axis("Success on the test items")), x2="rate_high:Q"
    )
    point = base.mark_point(filled=True, size=90, opacity=1).encode(
        x="rate:Q", shape=_shaped(rows, "arm", legend=None)
    )
    label = base.mark_text(dy=-11, align="center").encode(x="place:Q", text="label:N", color=alt.value(INK))
    return (interval + point + label).properties(width=WIDTH, height=(ROW + 8) * len(arms) + 40)


def draw_differences(rows: list[dict]) -> alt.Chart:
    """A point and its interval for each comparison, in percentage points around zero."""
    scaled = [
        {
            "pair": f"{row['baseline']} → {row['candidate']}",
            "points": 100 * row["difference"],
            "low": 100 * row["newcombe_low"],
            "high": 100 * row["newcombe_high"],
            "label": report_format.points(row["difference"]),
        }
        for row in rows
    ]
    base = chart(scaled).encode(y=alt.Y("pair:N", sort=distinct(scaled, "pair"), title=None))
    zero = chart([{"zero": 0}]).mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x="zero:Q")
    interval = base.mark_rule(strokeWidth=3, color=SERIES[3]).encode(
        x=alt.X("low:Q", axis=alt.Axis(title="Difference in percentage points")), x2="high:Q"
    )
    point = base.mark_point(filled=True, size=90, opacity=1, color=SERIES[3]).encode(x="points:Q")
    label = base.mark_text(dy=-11).encode(x="points:Q", text="label:N")
    return (zero + interval + point + label).properties(width=WIDTH, height=(ROW + 8) * len(scaled) + 40)


def draw_types(rows: list[dict]) -> alt.Chart:
    """For each type of item, a point and its interval for each arm."""
    arms, types = distinct(rows, "arm"), distinct(rows, "type")
    base = chart(rows).encode(
        y=alt.Y("type:N", title=None, scale=alt.Scale(paddingInner=0.3)),
        yOffset=alt.YOffset("arm:N", sort=arms),
        color=_coloured(rows, "arm"),
    )
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("rate_low:Q", **share_axis("Success on the test items of the type")), x2="rate_high:Q"
    )
    point = base.mark_point(filled=True, size=55, opacity=1).encode(x="rate:Q", shape=_shaped(rows, "arm"))
    return (interval + point).properties(width=WIDTH, height=len(types) * (16 * len(arms) + 14) + 90)


def draw_funnel(rows: list[dict]) -> alt.Chart:
    """A bar for each step, longest first."""
    steps = [row | {"step": report_format.words(row["step"])} for row in rows]
    base = chart(steps).encode(
        y=alt.Y("step:N", sort=distinct(steps, "step"), title=None),
        x=alt.X(
            "count:Q",
            axis=whole_axis("Records", [row["count"] for row in rows]),
            scale=alt.Scale(domainMax=1.12 * max(row["count"] for row in rows) + 1),
        ),
    )
    bars = base.mark_bar(color=SERIES[3], height=16)
    labels = base.mark_text(align="left", dx=5).encode(text="count:Q")
    return (bars + labels).properties(width=WIDTH, height=ROW * len(steps) + 50)


def histogram_of(title: str) -> Callable[[list[dict]], alt.Chart]:
    """A drawer of bars from `low` to `high`; where the rows come from several files, one colour for each."""

    def draw(rows: list[dict]) -> alt.Chart:
        several = len(distinct(rows, "source")) > 1
        named = [row | {"source": row["source"].removesuffix("/audit").rpartition("/")[2]} for row in rows]
        bars = chart(named).mark_bar(stroke=None, opacity=0.6 if several else 1, binSpacing=1)
        return bars.encode(
            x=alt.X("low:Q", bin="binned", axis=alt.Axis(title=title, grid=False, tickCount=8)),
            x2="high:Q",
            y=alt.Y(
                "count:Q", stack=None, axis=whole_axis("Records", [row["count"] for row in rows], grid=True)
            ),
            color=_coloured(named, "source") if several else alt.value(SERIES[3]),
        ).properties(width=WIDTH, height=230)

    return draw


def draw_reliability(rows: list[dict]) -> alt.Chart:
    """How often an answer was good, against how sure the critic was; the diagonal is perfect calibration."""
    diagonal = chart([{"predicted": 0, "observed": 0}, {"predicted": 1, "observed": 1}])
    base = chart(rows).encode(x=alt.X("predicted:Q", **share_axis("P(yes) of the critic, mean of the bin")))
    observed = alt.Y("observed:Q", **share_axis("Share of good answers", grid=True))
    line = diagonal.mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1.5)
    interval = base.mark_rule(color=SERIES[3], strokeWidth=2).encode(y="observed_low:Q", y2="observed_high:Q")
    point = base.mark_point(filled=True, color=SERIES[3], opacity=1).encode(y=observed, size=alt.value(80))
    return (line.encode(x="predicted:Q", y=observed) + interval + point).properties(width=WIDTH, height=300)


def draw_roc(rows: list[dict]) -> alt.Chart:
    """Right answers accepted against wrong answers accepted, over all thresholds; the diagonal is a coin."""
    start = {"false_positive_rate": 0, "true_positive_rate": 0}
    curve = [start | {"order": 0}, *[row | {"order": place} for place, row in enumerate(rows, 1)]]
    x = alt.X("false_positive_rate:Q", **share_axis("Wrong answers accepted"))
    y = alt.Y("true_positive_rate:Q", **share_axis("Right answers accepted", grid=True))
    diagonal = chart([start, {"false_positive_rate": 1, "true_positive_rate": 1}])
    coin = diagonal.mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1.5)
    line = chart(curve).mark_line(color=SERIES[3], strokeWidth=2).encode(x=x, y=y, order="order:Q")
    return (coin.encode(x=x, y=y) + line).properties(width=WIDTH, height=300)


def curves_of(title: str, form: str = "~f") -> Callable[[list[dict]], alt.Chart]:
    """A drawer of one line for each run over its steps."""

    def draw(rows: list[dict]) -> alt.Chart:
        runs = {run: [row for row in rows if row["run"] == run] for run in distinct(rows, "run")}
        longest = max(map(len, runs.values()))
        every = -(-longest // MOST_POINTS)
        base = chart([row for run in runs.values() for row in run[::every]]).encode(
            x=alt.X("step:Q", axis=whole_axis("Optimizer step", [row["step"] for row in rows], grid=False)),
            y=alt.Y(
                "value:Q",
                axis=alt.Axis(title=title, format=form, grid=True, tickCount=5),
                scale=alt.Scale(zero=False),
            ),
            color=_coloured(rows, "run"),
        )
        height = {"width": WIDTH, "height": 240}
        if longest > FEW_POINTS:
            dashes = alt.Scale(domain=list(runs), range=_pick(DASHES, list(runs)))
            return (
                base.mark_line(strokeWidth=2, strokeDash=[1, 0])
                .encode(strokeDash=alt.StrokeDash("run:N", scale=dashes))
                .properties(**height)
            )
        points = base.mark_point(filled=True, size=60, opacity=1).encode(shape=_shaped(rows, "run"))
        return (base.mark_line(strokeWidth=2) + points).properties(**height)

    return draw
