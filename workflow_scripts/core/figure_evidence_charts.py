"""The charts of evidence: what clusters carry, how the base behaves beside its record, how gates err."""

import altair as alt

from workflow_scripts.core import report_format
from workflow_scripts.core.figure_charts import ROW, WIDTH, chart, distinct, share_axis
from workflow_scripts.core.figure_svg import INK, MUTED, SERIES

MOST_CLUSTERS = 40
CLUSTER_ROW = 17
OUTCOMES = {"pass": (SERIES[1], [1, 0]), "pause": (SERIES[0], [6, 3]), "stop": (SERIES[4], [2, 2])}


def largest_shares(rows: list[dict]) -> list[dict]:
    """The clusters that carry most of the lift, or most against it: at most 40, largest share first."""
    kept = sorted(rows, key=lambda row: -abs(row["share"]))[:MOST_CLUSTERS]
    return sorted(kept, key=lambda row: -row["share"])


def draw_influence(rows: list[dict]) -> alt.Chart:
    """A dot for the lift of each cluster, and a tick for the lift of all others together."""
    shown = [
        {"group": row["group"], "own": 100 * row["lift"], "others": 100 * row["without"], "n": row["n"]}
        for row in largest_shares(rows)
        if row["without"] is not None
    ]
    base = chart(shown).encode(y=alt.Y("group:N", sort=distinct(shown, "group"), title=None))
    zero = chart([{"zero": 0}]).mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x="zero:Q")
    stem = base.mark_rule(color=SERIES[3], strokeWidth=1.5).encode(
        x=alt.X(
            "others:Q", axis=alt.Axis(title="Lift in percentage points: dot the cluster, tick all others")
        ),
        x2="own:Q",
    )
    tick = base.mark_tick(color=INK, thickness=2, size=11).encode(x="others:Q")
    dot = base.mark_point(filled=True, opacity=1, color=SERIES[3], size=55).encode(x="own:Q")
    return (zero + stem + tick + dot).properties(width=WIDTH, height=CLUSTER_ROW * len(shown) + 50)


def draw_sentinels(rows: list[dict]) -> alt.Chart:
    """A point and its interval for each sign, and a tick where the record has it."""
    shown = [row | {"sign": report_format.words(row["metric"])} for row in rows]
    base = chart(shown).encode(y=alt.Y("sign:N", sort=distinct(shown, "sign"), title=None))
    tick = base.mark_tick(color=INK, thickness=2.5, size=20).encode(
        x=alt.X("recorded:Q", **share_axis("Share of the sentinels; the tick is the rate on record"))
    )
    interval = base.mark_rule(strokeWidth=3, color=SERIES[3]).encode(x="low:Q", x2="high:Q")
    point = base.mark_point(filled=True, size=80, opacity=1, color=SERIES[3]).encode(x="value:Q")
    return (interval + tick + point).properties(width=WIDTH, height=ROW * len(shown) + 50)


def draw_gate_errors(rows: list[dict]) -> alt.Chart:
    """A line for the probability of each decision, over the true lift."""
    shown = [
        {"lift": 100 * row["lift"], "outcome": outcome, "probability": row[outcome]}
        for row in rows
        for outcome in OUTCOMES
    ]
    colours, dashes = ([style[part] for style in OUTCOMES.values()] for part in (0, 1))
    lines = chart(shown).mark_line(strokeWidth=2, point=alt.OverlayMarkDef(filled=True, size=30))
    return lines.encode(
        x=alt.X("lift:Q", axis=alt.Axis(title="True lift in percentage points", format="+~f")),
        y=alt.Y("probability:Q", **share_axis("Probability of the decision", grid=True)),
        color=alt.Color("outcome:N", scale=alt.Scale(domain=list(OUTCOMES), range=colours)),
        strokeDash=alt.StrokeDash("outcome:N", scale=alt.Scale(domain=list(OUTCOMES), range=dashes)),
    ).properties(width=WIDTH, height=240)
