"""What a run does now as a table for a terminal, on which nothing that a job wrote can do anything."""

import unicodedata

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from workflow_scripts.core.progress import duration
from workflow_scripts.core.watch import GONE, RUNS, SILENT, JobNow, Run, View

LONGEST = 160  # characters of a log's line
STYLES = {RUNS: "green", GONE: "red", SILENT: "yellow", "failed": "red", "stopped": "yellow"}
ENDED = {
    "completed": "completed",
    "failed": "failed",
    GONE: "killed: its Snakemake is gone; the same command goes on from there",
}


def plain(text: str) -> str:
    """Text of others as it may stand on a terminal: what controls one, or has no look, is spelt out."""
    shown = (
        character if unicodedata.category(character)[0] != "C" else f"\\x{ord(character):02x}"
        for character in text[:LONGEST]
    )
    return "".join(shown) + ("…" if len(text) > LONGEST else "")


def _row(table: Table, job: JobNow) -> None:
    """A job; what its log said last stands where there is no progress."""
    found = job.progress
    done = f"{found.done}/{found.total} {found.unit}" if found else ""
    left = found.time if found and job.state == RUNS else ""
    says = found.label if found and job.state == RUNS else job.line
    cells = (job.name, duration(job.seconds), done, found.rate if found else "", left)
    table.add_row(
        *(Text(plain(cell)) for cell in cells),
        Text(job.state, style=STYLES.get(job.state, "")),
        Text(plain(says), style="dim", overflow="ellipsis", no_wrap=True),
    )


def jobs_table(jobs: tuple[JobNow, ...]) -> Table:
    """One row for each job."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("job", "for", "done", "rate", "left", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("says", ratio=1, no_wrap=True)
    for job in jobs:
        _row(table, job)
    return table


def _headline(run: Run) -> Text:
    """When the run began, how many of its jobs are done, and how it stands."""
    of = f" of {run.planned}" if run.planned is not None else ""
    failed = f", {len(run.failed)} failed" if run.failed else ""
    if run.state in (RUNS, SILENT):
        heard = f"; nothing new from {plain(run.host)} for minutes" if run.state == SILENT else ""
        text = f"run {plain(run.name)} for {duration(run.seconds)}: {run.done}{of} jobs done{failed}{heard}"
        return Text(text, style="bold" if run.state == RUNS else "yellow")
    stands = ENDED.get(run.state, plain(run.state))
    return Text(f"last run {plain(run.name)}: {run.done}{of} jobs done{failed}; {stands}")


def render(view: View) -> RenderableType:
    """All of it. With `make watch` on no terminal this is printed once."""
    parts: list[RenderableType] = [] if view.in_progress else [Text("no run in progress")]
    for run in view.runs:
        parts.append(_headline(run))
        jobs = (*run.jobs, *run.failed)
        if jobs:
            parts.append(jobs_table(jobs))
        elif run.state == RUNS:
            parts.append(Text("no job at work: they wait, or are being started", style="dim"))
    if view.alone:
        parts += [Text("jobs run by hand"), jobs_table(view.alone)]
    if view.runs or view.dollars:
        cap = f" of ${view.cap:.4g}" if view.cap is not None else ""
        parts.append(Text(f"${view.dollars:.4g}{cap} spent so far, all sessions together"))
    return Group(*parts)
