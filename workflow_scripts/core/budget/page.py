"""A plan as a Markdown page that shows its arithmetic: every term of every stage, GPUs, budgets, memory."""

from collections.abc import Sequence

from workflow_scripts.core.budget.tables import amount

HEADER = """# The arithmetic of a plan

Written by `python -m workflow_scripts.plan_page` from a plan.json; do not edit. {gpu} at ${price:g} an
hour, a model of {parameters:.2f} billion parameters, generation in {generation}, training in {training}.
Every figure has a low and a high bound; the bounds of a sum are those of the worst cases together.
"""


def between(bounds: dict) -> str:
    """Both bounds, or one number where they are the same."""
    low, high = (short(bounds[name]) for name in ("low", "high"))
    return low if low == high else f"{low} to {high}"


def short(value: float) -> str:
    """A count with thousands and millions as such; small values with three digits."""
    for size, word in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{word}"
    return amount(value)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, the first column left and the others right."""
    lines = [f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def stage_rows(stage: dict) -> list[tuple[str, ...]]:
    """A row for each term of a stage, and one for the stage."""
    rows = []
    for name, hours in stage["hours_by_term"].items():
        work = stage["work"].get(name)
        if work:
            rate = stage["throughputs"][work["kind"]]
            told = f"{between(rate)} a second ({rate['source']})"
            rows.append(("", name, between(work), told, between(hours), ""))
        else:
            counts = {"job_starts": stage["jobs"], "weight_loads": stage["weight_loads"]}
            rows.append(("", name, str(counts.get(name, "")), "", between(hours), ""))
    label = f"**{stage['stage']}**" + (f" ({stage['optional']})" if stage["optional"] else "")
    total = (label, between(stage["units"]) + f" {stage['unit']}", "", "", between(stage["hours"]))
    return [(*total, between(stage["dollars"])), *rows]


def arithmetic(plan: dict) -> list[str]:
    """All stages with their terms, and the totals."""
    rows = [row for stage in plan["stages"] for row in stage_rows(stage)]
    for name in ("core", "optional", "all"):
        sums = plan["total"][name]
        rows.append((f"**total: {name}**", "", "", "", between(sums["hours"]), between(sums["dollars"])))
    return table(("stage", "term", "amount", "rate", "hours", "dollars"), rows)


def gpus(plan: dict) -> list[str]:
    """The GPUs and what the model needs of their memory."""
    rows = []
    for entry in plan["gpus"]:
        held = [name for name, found in entry["fits"]["generation"].items() if found["feasible"]]
        trained = [name for name, fits in entry["fits"]["training"]["sft"].items() if fits]
        verdict = "on the front" if entry["on_front"] else ", ".join(entry["dominated_by"]) or "too small"
        rows.append(
            (
                entry["name"],
                f"{entry['dollars_per_hour']:.2f}",
                between(entry["hours"]),
                between(entry["dollars"]),
                ", ".join(held),
                ", ".join(trained) or "none",
                verdict,
            )
        )
    header = ("GPU", "$/h", "hours", "dollars", "generates in", "trains in", "front, or dominated by")
    return table(header, rows)


def memory(terms_by_precision: dict) -> list[str]:
    """GB by term, a row for each precision."""
    names = sorted(next(iter(terms_by_precision.values())), key=lambda name: (name == "total", name))
    rows = [
        (precision, *(f"{terms[name]:.2f}" for name in names))
        for precision, terms in terms_by_precision.items()
    ]
    return table(("precision", *(name.replace("_", " ") for name in names)), rows)


def budgets(plan: dict) -> list[str]:
    """What each budget buys."""
    rows = []
    for entry in plan["frontier"]:
        if not entry["affordable"]:
            rows.append((f"${entry['budget']:g}", "nothing fits", *[""] * 7))
            continue
        lift = entry["detectable_lift"]
        rows.append(
            (
                f"${entry['budget']:g}",
                entry["gpu_name"],
                entry["reach"],
                short(entry["records"]),
                ", ".join(entry["ablations"]) or "none",
                str(entry["test_items"]),
                between(entry["dollars"]),
                f"{100 * entry['half_width']['0.5']:.1f} pp",
                "" if lift is None else f"{100 * lift:.1f} pp",
            )
        )
    header = (
        "budget",
        "GPU",
        "reach",
        "records",
        "ablations",
        "N",
        "dollars",
        "half-width",
        "detectable lift",
    )
    return table(header, rows)


def page(plan: dict) -> str:
    """The whole page."""
    model = plan["model"]
    head = HEADER.format(
        gpu=plan["gpu"]["name"],
        price=plan["gpu"]["dollars_per_hour"],
        parameters=model["parameters"] / 1e9,
        **model["precision"],
    )
    lines = [head, *arithmetic(plan), "", "## GPUs", "", *gpus(plan), "", plan["recommended"]["why"] + "."]
    lines += ["", "## What a budget buys", "", *budgets(plan)]
    lines += ["", "## Memory in GB: generation", "", *memory(plan["memory_gb"]["generation"])]
    for name, terms in plan["memory_gb"]["training"].items():
        lines += ["", f"## Memory in GB: training, {name}", "", *memory(terms)]
    return "\n".join(lines) + "\n"
