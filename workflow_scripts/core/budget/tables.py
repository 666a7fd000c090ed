"""The plan as lines of text for a console."""

from collections.abc import Sequence


def amount(value: float) -> str:
    """Two decimals, and three digits of what is smaller than one: hours and dollars of runs of any size."""
    return f"{value:.2f}" if value >= 1 else f"{value:.3g}"


def between(bounds: dict) -> str:
    """Both bounds in words."""
    return f"{amount(bounds['low'])} to {amount(bounds['high'])}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines with columns of equal width, the first set left and the others right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def stage_lines(plan: dict) -> list[str]:
    """Hours and dollars of each stage, of core and optional work, and of everything."""
    rows = [("stage", "hours", "dollars", "throughput")]
    for stage in plan["stages"]:
        sources = sorted({rate["source"] for rate in stage["throughputs"].values()}) or ["-"]
        name = stage["stage"] + (f" ({stage['optional']})" if stage["optional"] else "")
        rows.append((name, between(stage["hours"]), between(stage["dollars"]), ", ".join(sources)))
    for name in ("core", "optional", "all"):
        sums = plan["total"][name]
        rows.append((f"total: {name}", between(sums["hours"]), between(sums["dollars"]), ""))
    return aligned(rows)


def gpu_lines(plan: dict) -> list[str]:
    """Each GPU with what speaks for and against it."""
    rows = [("GPU", "$/h", "hours", "dollars", "verdict")]
    for entry in plan["gpus"]:
        verdicts = []
        if not entry["fits"]["feasible"]:
            verdicts.append("too small")
        if entry["dominated_by"]:
            verdicts.append(f"dominated by {', '.join(entry['dominated_by'])}")
        if entry["over_cap"]:
            verdicts.append("over the cap")
        if entry["on_front"]:
            verdicts.append("on the front")
        rows.append(
            (
                entry["name"],
                f"{entry['dollars_per_hour']:.2f}",
                between(entry["hours"]),
                between(entry["dollars"]),
                "; ".join(verdicts),
            )
        )
    return aligned(rows)


def frontier_lines(plan: dict) -> list[str]:
    """What each budget buys."""
    rows = [("budget", "GPU", "reach", "N", "records", "ablations", "dollars", "half-width", "lift")]
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
                str(entry["test_items"]),
                str(entry["records"]),
                str(len(entry["ablations"])),
                between(entry["dollars"]),
                f"{100 * entry['half_width']['0.5']:.1f} pp",
                "-" if lift is None else f"{100 * lift:.1f} pp",
            )
        )
    return aligned(rows)


def projection_lines(projection: dict) -> list[str]:
    """A projection while a run goes on: what was measured, each stage, what is spent and to come."""
    rows = [("stage", "jobs done", "used $", "to come $", "rates")]
    for entry in projection["stages"]:
        sources = sorted({rate["source"] for rate in entry["throughputs"].values()}) or ["-"]
        done = f"{entry['jobs_done']} of {entry['jobs']}"
        coming = between(entry["dollars_to_come"])
        rows.append((entry["stage"], done, amount(entry["dollars_used"]), coming, ", ".join(sources)))
    spent, whole = projection["metrics"]["spent_dollars"], projection["metrics"]["projected_dollars"]
    cap = "no cap" if projection["cap"] is None else f"the cap is ${projection['cap']:g}"
    lines = [*projection["measured"], *aligned(rows)]
    lines.append(
        f"${amount(spent['value'])} spent, ${amount(whole['value'])} in all"
        f" (${between(whole)}) as far as it is measured; {cap}"
    )
    left_out = [entry["variant"] for entry in projection["dropped"] + projection["newly_dropped"]]
    return [*lines, f"dropped: {', '.join(left_out)}"] if left_out else lines


def plan_lines(plan: dict) -> list[str]:
    """The whole plan: stages, sessions, GPUs, frontier."""
    lines = [f"{plan['gpu']['name']} at ${plan['gpu']['dollars_per_hour']:g} an hour", *stage_lines(plan), ""]
    for session in plan["sessions"]:
        stages = ", ".join(dict.fromkeys(session["stages"]))
        lines.append(
            f"session {session['session']}: {between(session['hours'])} h,"
            f" ${between(session['dollars'])}: {stages}"
        )
    lines += ["", *gpu_lines(plan), plan["recommended"]["why"], ""]
    return [*lines, *frontier_lines(plan)]
