"""Writes how long each rule took, from Snakemake's benchmark files, as a Markdown table.

python -m workflow_scripts.performance_table --benchmarks benchmarks --sessions results/sessions \\
    --table docs/performance.md
"""

import argparse
import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from workflow_scripts.core import outputs, runtime
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json

HEADER = """# Performance of the demo

Written by `make performance` after `make demo`; do not edit. Time is wall-clock seconds of the rule's jobs
added up, start of Python included; memory is the largest resident set of one job. The machine: {cpus} CPU
cores, {memory:.0f} GB of memory, Python {python}, {gpus} GPU. The whole DAG took {seconds:.0f} s on it.

| rule | jobs | time (s) | longest job (s) | peak memory (MB) | mean CPU load (%) |
|---|---:|---:|---:|---:|---:|
"""


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--benchmarks", type=Path, required=True, help="directory of benchmark files")
    parser.add_argument(
        "--sessions", type=Path, required=True, help="directory of sessions: the last completed"
    )
    parser.add_argument("--table", type=Path, required=True, help="page to write")
    return parser.parse_args(argv)


def read_benchmarks(directory: Path) -> dict[str, list[dict]]:
    """Benchmark entries by rule name; the last line of a file is the job's last run."""
    entries = defaultdict(list)
    for path in sorted(directory.glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            entry = json.loads(lines[-1])
            entries[entry["rule_name"]].append(entry)
        except (IndexError, json.JSONDecodeError, KeyError):
            remedy = "this is no extended benchmark file: remove it, and run its rule with benchmark-extended"
            raise InputError(file=path, remedy=remedy) from None
    return entries


def table_row(rule: str, jobs: list[dict]) -> str:
    """One Markdown row; seconds and MB as Snakemake measured them, the load weighted by time."""
    seconds = [float(job["s"]) for job in jobs]
    memory = max(float(job["max_rss"] or 0) for job in jobs)
    load = sum(float(job["mean_load"] or 0) * float(job["s"]) for job in jobs) / max(sum(seconds), 1e-9)
    return f"| {rule} | {len(jobs)} | {sum(seconds):.1f} | {max(seconds):.1f} | {memory:.0f} | {load:.0f} |"


def render(benchmarks: dict[str, list[dict]], session: dict) -> str:
    """The whole page: machine, total, and one row per rule, slowest first."""
    machine = session["machine"]
    start, end = (datetime.fromisoformat(session[key]) for key in ("start", "end"))
    header = HEADER.format(
        cpus=machine["cpus"],
        memory=machine["memory_bytes"] / 1e9,
        python=machine["python"],
        gpus=len(machine["gpus"]) or "no",
        seconds=(end - start).total_seconds(),
    )
    slowest_first = sorted(benchmarks.items(), key=lambda item: -sum(float(job["s"]) for job in item[1]))
    return header + "\n".join(table_row(rule, jobs) for rule, jobs in slowest_first) + "\n"


def last_completed(directory: Path) -> dict:
    """The newest session that ended well. InputError when there is none."""
    sessions = [read_json(path) for path in sorted(directory.glob("*.json"))]
    completed = [session for session in sessions if session["status"] == "completed"]
    if not completed:
        raise InputError(file=directory, remedy="no session has completed: run the workflow first")
    return completed[-1]


def main(argv=None) -> None:
    """Write the table of the last completed session."""
    arguments = parse_arguments(argv)
    with runtime.job("performance_table"):
        page = render(read_benchmarks(arguments.benchmarks), last_completed(arguments.sessions))
        with outputs.guarded(arguments.table) as (table,):
            table.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
