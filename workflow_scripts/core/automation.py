"""How much of a run went by itself: jobs without help, records without edits, minutes, gates by attempt.

Counts alone, no times: two runs that nothing disturbed give the same metrics. What a person did is read from
the attempts of jobs (`core.usage_files`), the gates' overrides, the edits and the labels.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from workflow_scripts.core.usage_files import Attempt

# What tells of a run and is no part of it: its jobs end after these metrics are taken, or beside them.
ABOUT_THE_RUN = {
    "automation",
    "cost_ledger",
    "cost_page",
    "manifest",
    "report_figures",
    "report_tables",
    "summary_page",
}
GATE, CLAIM = "gate", "claim"
BUDGET = ("gate-", "budget")  # how the names of gates begin that judge no data
COMPLETED = "completed"


def attempts_by_job(attempts: Iterable[Attempt]) -> dict[str, list[Attempt]]:
    """{rule and part: its attempts in the order in which they began}, of the jobs that make the run."""
    found = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.time):
        if attempt.rule not in ABOUT_THE_RUN:
            found.setdefault(attempt.name, []).append(attempt)
    return found


def _again(attempts: Sequence[Attempt], by_hand: bool) -> bool:
    """Whether an attempt that did not complete was followed by one in another session, or in the same one."""
    return any(
        first.status != COMPLETED and (first.session != second.session) == by_hand
        for first, second in pairwise(attempts)
    )


def gate_attempts(jobs: dict[str, list[Attempt]]) -> list[dict]:
    """Every attempt of every gate that can stop the run for its data: what held, and whether it passed.

    The claim gate stops no run. Those of the budget ask for money.
    """
    rows = []
    for name, attempts in sorted(jobs.items()):
        rule, _, gate = name.partition(" ")
        if rule != GATE or gate == CLAIM or gate.startswith(BUDGET):
            continue
        for number, attempt in enumerate(attempts, 1):
            rows.append(
                {
                    "gate": gate,
                    "attempt": number,
                    "criteria": int(attempt.counts.get("criteria", 0)),
                    "hold": int(attempt.counts.get("criteria_that_hold", 0)),
                    "passed": attempt.status == COMPLETED,
                }
            )
    return rows


def pass_rates(rows: Sequence[dict]) -> list[dict]:
    """{attempt, gates, passed, share} by attempt: of the gates judged so often, how many passed."""
    found = []
    for number in sorted({row["attempt"] for row in rows}):
        part = [row["passed"] for row in rows if row["attempt"] == number]
        n, passed = len(part), sum(part)
        found.append({"attempt": number, "gates": n, "passed": passed, "share": passed / n})
    return found


def record_checks(qualities: dict[str, dict]) -> list[dict]:
    """Of the records of each quality report, how many pass the automatic checks, and then the critic."""
    rows = []
    for stage, report in qualities.items():
        steps = {step["step"]: step["count"] for step in report["funnel"]}
        generated, clean, accepted = (steps[name] for name in ("generated", "clean", "accepted"))
        rows.append(
            {
                "stage": stage,
                "generated": generated,
                "clean": clean,
                "accepted": accepted,
                "clean_share": clean / generated if generated else None,
                "accepted_share": accepted / clean if clean else None,
            }
        )
    return rows


def _share(part: int, whole: int) -> dict:
    """A share of all there are: no interval, as nothing was sampled; null of nothing."""
    return {"value": part / whole if whole else None, "n": whole}


def metrics(
    jobs: dict[str, list[Attempt]], overridden: set[str], records: int, edits: dict | None, labels: dict
) -> dict:
    """The metrics of a run; see `core.report_descriptions` for what each says.

    jobs: from `attempts_by_job`; overridden: gates that let the run go on by an override; records: generated
    ones; edits: metrics of the edits, None where there are none; labels: {"minutes", "without_minutes"}.
    """
    done = {name for name, attempts in jobs.items() if any(one.status == COMPLETED for one in attempts)}
    by_hand = {name for name in done if _again(jobs[name], by_hand=True)}
    helped = by_hand | (done & {f"{GATE} {gate}" for gate in overridden})
    values = {name: metric["value"] for name, metric in (edits or {}).items()}
    touched, minutes = int(values.get("edited_records", 0)), values.get("edit_minutes", 0.0)
    unstated = values.get("edits_without_minutes", 0.0) + labels["without_minutes"]
    total = minutes + labels["minutes"]
    per_thousand = 1000 * total / records if records else None
    first = [row["passed"] for row in gate_attempts(jobs) if row["attempt"] == 1]
    automatic = {name for name in done if _again(jobs[name], by_hand=False)}
    return {
        "jobs_without_help_rate": _share(len(done) - len(helped), len(done)),
        "jobs_retried_by_hand": {"value": float(len(by_hand)), "n": len(done)},
        "jobs_retried_automatically": {"value": float(len(automatic)), "n": len(done)},
        "gates_overridden": {"value": float(len(overridden))},
        "records_never_edited_rate": _share(records - touched, records),
        "human_minutes": {"value": total},
        "edit_minutes": {"value": minutes},
        "label_minutes": {"value": labels["minutes"]},
        "pieces_without_minutes": {"value": float(unstated)},
        "human_minutes_per_1000_records": {"value": per_thousand, "n": records},
        "first_attempt_pass_rate": _share(sum(first), len(first)),
        "sessions": {"value": float(len({one.session for many in jobs.values() for one in many}))},
    }
