"""The ledger: what every job has used, by rule, session, stage and job, and what is projected to come.

It is made from the files that jobs write while they run, so it can be printed at any time, and a job that was
killed is in it. Dollars are GPU seconds at the price of the job's own time. It differs between two identical
runs, as time does.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath

from workflow_scripts.core.budget.tables import aligned, amount
from workflow_scripts.core.usage_files import HOUR, RUNNING, Attempt

SUMMED = ("wall_seconds", "gpu_seconds", "dollars")
LARGEST = ("peak_gpu_bytes", "peak_rss_bytes")
STATUSES = ("completed", "stopped", "failed", RUNNING)
NO_SESSION = "none"  # jobs that were run by hand


def entry(attempts: Sequence[Attempt]) -> dict:
    """What some attempts used together."""
    counts, made = Counter(), Counter()
    for attempt in attempts:
        counts.update(attempt.counts)
        for units in attempt.made.values():
            made.update(units)
    return {
        "attempts": len(attempts),
        **{status: sum(attempt.status == status for attempt in attempts) for status in STATUSES},
        **{name: round(sum(getattr(attempt, name) for attempt in attempts), 6) for name in SUMMED},
        **{name: max((getattr(attempt, name) for attempt in attempts), default=0) for name in LARGEST},
        "counts": {name: round(value, 3) for name, value in sorted(counts.items())},
        "made": dict(sorted(made.items())),
    }


def grouped(attempts: Iterable[Attempt], key: Callable[[Attempt], str]) -> dict[str, dict]:
    """Entries by a key, in the order in which the keys first appear."""
    groups: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault(key(attempt), []).append(attempt)
    return {name: entry(group) for name, group in groups.items()}


def session_entries(attempts: Sequence[Attempt], sessions: Mapping[str, dict]) -> dict[str, dict]:
    """By session, with its start, end, status, command, commit and machine where its file is there."""
    named = ("start", "end", "status")
    entries = {}
    for name, used in grouped(attempts, lambda attempt: attempt.session or NO_SESSION).items():
        session = sessions.get(name, {})
        entries[name] = used | {field: session.get(field) for field in named} | _circumstances(session)
    return entries


def _circumstances(session: Mapping) -> dict:
    """How and on what a session ran, without names that are nobody's business: its host, absolute paths."""
    words = [
        PurePath(word).name if PurePath(word).is_absolute() else word for word in session.get("command", [])
    ]
    machine = {key: value for key, value in session.get("machine", {}).items() if key != "host"}
    commit = {key: session.get(key) for key in ("git_commit", "git_dirty")}
    return {"command": words or None, "machine": machine or None, **commit}


def expected_seconds(projection: dict, stage: str) -> float:
    """GPU seconds that a projection expects of a stage's jobs."""
    jobs = projection["jobs"].values()
    return round(sum(job["expected_seconds"] for job in jobs if job["stage"] == stage), 3)


def stage_entries(attempts: Sequence[Attempt], projections: Mapping[str, dict]) -> dict[str, dict]:
    """By stage: the GPU hours that its jobs took, and those that each projection expected for the same jobs.

    `projections` by name (plan, pilot, sft), each with "jobs" and "expected_gpu_hours" by stage.
    """
    latest = list(projections.values())[-1] if projections else {"jobs": {}}
    stages = dict.fromkeys(job["stage"] for job in latest["jobs"].values())
    entries = {}
    for stage in stages:
        names = {name for name, job in latest["jobs"].items() if job["stage"] == stage}
        own = [attempt for attempt in attempts if attempt.name in names]
        done = {attempt.name for attempt in own if attempt.status == "completed"}
        entries[stage] = {
            **entry(own),
            "jobs": len(names),
            "jobs_done": len(done | {part for attempt in own for part in attempt.made} & names),
            "expected_gpu_seconds": {
                name: expected
                for name, projection in projections.items()
                if (expected := expected_seconds(projection, stage))
            },
        }
    return entries


def make_ledger(
    attempts: Sequence[Attempt],
    sessions: Mapping[str, dict],
    projections: Mapping[str, dict],
    automation: dict | None = None,
) -> dict:
    """The ledger as it is written. `projections`: plan and later ones, by name, the newest last."""
    latest = list(projections.values())[-1] if projections else None
    whole = entry(attempts)
    coming = 0.0
    if latest:
        made = {attempt.name for attempt in attempts if attempt.status == "completed"}
        made |= {part for attempt in attempts for part in attempt.made}
        price = latest["gpu"]["dollars_per_hour"]
        coming = sum(
            job["expected_seconds"] * price / HOUR for name, job in latest["jobs"].items() if name not in made
        )
    return {
        "stage": "ledger",
        "total": whole,
        "dollars_to_come": round(coming, 6),
        "cap": latest["cap"] if latest else None,
        "projected_by": list(projections)[-1] if projections else None,
        "by_stage": stage_entries(attempts, projections),
        "by_rule": grouped(attempts, lambda attempt: attempt.rule),
        "by_session": session_entries(attempts, sessions),
        "by_job": grouped((a for a in attempts if a.devices), lambda attempt: attempt.name),
        **({"automation": automation} if automation else {}),
    }


def ledger_lines(ledger: dict) -> list[str]:
    """The ledger for a console."""
    header = (
        "",
        "jobs",
        "wall s",
        "GPU s",
        "$",
        "GPU GB",
        "host GB",
        "tokens in",
        "out",
        "judged",
        "trained",
    )

    def row(name: str, used: dict) -> tuple[str, ...]:
        counts = used["counts"]
        tokens = ("prompt_tokens", "generated_tokens", "judged_tokens", "training_tokens")
        odd = ", ".join(f"{used[status]} {status}" for status in STATUSES[1:] if used[status])
        return (
            name,
            str(used["attempts"]) + (f" ({odd})" if odd else ""),
            f"{used['wall_seconds']:.0f}",
            f"{used['gpu_seconds']:.0f}",
            amount(used["dollars"]),
            f"{used['peak_gpu_bytes'] / 1e9:.1f}",
            f"{used['peak_rss_bytes'] / 1e9:.1f}",
            *(f"{counts.get(name, 0):,.0f}" for name in tokens),
        )

    with_model = {name: used for name, used in ledger["by_rule"].items() if used["gpu_seconds"]}
    others = [used for used in ledger["by_rule"].values() if not used["gpu_seconds"]]
    rows = [header, *(row(name, used) for name, used in with_model.items())]
    rows += [row(f"session {name}", used) for name, used in ledger["by_session"].items()]
    rows.append(row("total", ledger["total"]))
    lines = aligned(rows)
    lines.append(
        f"{sum(used['attempts'] for used in others)} jobs without a model cost nothing by themselves"
    )
    cap = "no cap" if ledger["cap"] is None else f"the cap is ${ledger['cap']:g}"
    spent = ledger["total"]["dollars"]
    if ledger["projected_by"]:
        lines.append(
            f"${amount(spent)} spent, ${amount(ledger['dollars_to_come'])} projected to come"
            f" (by {ledger['projected_by']}): ${amount(spent + ledger['dollars_to_come'])}; {cap}"
        )
    return lines


def comparison_lines(ledger: dict) -> list[str]:
    """Projected against actual GPU seconds by stage, for those whose jobs are all done."""
    stages = ledger["by_stage"].values()
    names = list(dict.fromkeys(name for used in stages for name in used["expected_gpu_seconds"]))
    rows = [("stage", "took (s)", *(f"by {name} (s)" for name in names))]
    for stage, used in ledger["by_stage"].items():
        if used["jobs_done"] == used["jobs"]:
            took = used["gpu_seconds"]
            cells = []
            for name in names:
                expected = used["expected_gpu_seconds"].get(name)
                off = None if expected is None else f"{expected:.0f} ({100 * (expected / took - 1):+.0f} %)"
                cells.append(off or "-")
            rows.append((stage, f"{took:.0f}", *cells))
    return aligned(rows)
