"""The picture of a plan: what budgets buy, and which GPUs are worth a thought."""

import math

import altair as alt

from workflow_scripts.core.budget.tables import amount
from workflow_scripts.core.figure_svg import INK, MUTED, SERIES, render

WIDTH, HEIGHT = 420, 240
NAME, TITLE = "budget-frontier", "What a budget buys, and on which GPU"
KINDS = {
    "on the front": (SERIES[3], "circle"),
    "dominated": (MUTED, "square"),
    "too small": (SERIES[0], "cross"),
}


def kind_of(entry: dict) -> str:
    """How a GPU stands: it is on the front, dominated, or too small for the model."""
    if not entry["fits"]["feasible"]:
        return "too small"
    return "on the front" if entry["on_front"] else "dominated"


def draw_gpus(rows: list[dict], cap: float | None) -> alt.Chart:
    """Dollars against hours at the upper bounds, each GPU a point with its name beside it; the cap a line."""
    hours = [row["hours"]["high"] for row in rows]
    middle = math.sqrt(min(hours) * max(hours))
    points = [
        {
            "name": row["name"],
            "hours": row["hours"]["high"],
            "dollars": row["dollars"]["high"],
            "kind": kind_of(row),
            "side": "right" if row["hours"]["high"] <= middle else "left",
        }
        for row in rows
    ]
    colours, shapes = zip(*KINDS.values(), strict=True)
    log = alt.Scale(type="log", nice=False, padding=30)
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X("hours:Q", axis=alt.Axis(title="Hours, upper bound", tickCount=4), scale=log),
        y=alt.Y("dollars:Q", axis=alt.Axis(title="Dollars, upper bound", tickCount=4), scale=log),
    )
    marks = base.mark_point(filled=True, size=90, opacity=1).encode(
        color=alt.Color("kind:N", scale=alt.Scale(domain=list(KINDS), range=list(colours))),
        shape=alt.Shape("kind:N", scale=alt.Scale(domain=list(KINDS), range=list(shapes))),
    )
    names = [
        base.transform_filter(alt.datum.side == side)
        .mark_text(align=align, dx=away, color=INK)
        .encode(text="name:N")
        for side, align, away in (("right", "left", 9), ("left", "right", -9))
    ]
    chart = alt.layer(marks, *names)
    if cap is not None:
        line = alt.Chart(alt.Data(values=[{"cap": cap}])).mark_rule(color=MUTED, strokeDash=[3, 3])
        chart += line.encode(y="cap:Q")
    return chart.properties(width=WIDTH, height=HEIGHT)


def reach_in_words(row: dict) -> str:
    """How far a budget goes: stages, records, test items and the smallest lift that they find."""
    parts = [row["reach"]] + ([f"{row['records']} records"] if row["records"] else [])
    ablations = len(row["ablations"])
    parts += [f"{ablations} ablation{'s' * (ablations > 1)}"] if ablations else []
    parts.append(f"N = {row['test_items']}")
    if row["detectable_lift"] is not None:
        parts.append(f"lift from {100 * row['detectable_lift']:.1f} pp")
    return ", ".join(parts)


def draw_frontier(rows: list[dict]) -> alt.Chart:
    """For each budget that buys something: the spending, and in words how far it goes."""
    bars = [
        {
            "budget": f"${row['budget']:g}",
            "low": row["dollars"]["low"],
            "high": row["dollars"]["high"],
            "words": reach_in_words(row),
        }
        for row in rows
        if row["affordable"]
    ]
    base = alt.Chart(alt.Data(values=bars)).encode(
        y=alt.Y("budget:N", sort=[bar["budget"] for bar in bars], title="Budget")
    )
    spent = base.mark_bar(color=SERIES[3], height=10).encode(
        x=alt.X("low:Q", axis=alt.Axis(title="Dollars that are planned, low to high")), x2="high:Q"
    )
    words = base.mark_text(align="left", dy=-13, color=INK).encode(x=alt.value(0), text="words:N")
    return (spent + words).properties(width=WIDTH, height=44 * max(len(bars), 1) + 20)


def tell(plan: dict) -> str:
    """The picture in words."""
    gpus = [
        f"{row['name']}: {amount(row['hours']['high'])} h, ${amount(row['dollars']['high'])}, {kind_of(row)}"
        for row in plan["gpus"]
    ]
    bought = [
        f"${row['budget']:g}: {reach_in_words(row)}, on {row['gpu_name']}"
        if row["affordable"]
        else f"${row['budget']:g}: nothing"
        for row in plan["frontier"]
    ]
    return f"GPUs at the upper bound: {'; '.join(gpus)}. Budgets: {'; '.join(bought)}."


def frontier_svg(plan: dict) -> str:
    """The figure as SVG text."""
    chart = alt.vconcat(draw_frontier(plan["frontier"]), draw_gpus(plan["gpus"], plan["cap"]))
    return render(chart.resolve_scale(x="independent"), NAME, TITLE, tell(plan))
