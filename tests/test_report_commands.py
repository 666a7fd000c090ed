"""What the summary page's commands would run, in a finished run; and the page of many long answers."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report_run import make_report, make_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_the_commands_of_the_page_make_again_what_they_name_and_nothing_else(finished_run):
    page = (finished_run / "reports/summary.html").read_text(encoding="utf-8")
    for file, rule in (
        ("statistics/comparisons.json", "compare"),
        ("evaluation/sft/scores.parquet", "score"),
        ("models/sft/metrics.parquet", "train_sft"),
    ):
        row = re.search(rf'<tr id="from-[^"]+"><th scope="row"><a href="../results/{file}">.*?</tr>', page)[0]
        (command,) = re.findall(r"<code>(snakemake [^<]+)</code>", row)
        assert f"<code>{rule}</code>" in row and command.endswith(f"--force -- results/{file}")
        assert planned(finished_run, command) == {rule: 1}, command


def planned(directory, command: str) -> dict[str, int]:
    """{rule: number of its jobs} that a command of Snakemake would run."""
    words = [sys.executable, "-m", *command.replace(" -- ", " --dry-run --quiet host -- ").split()]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        words, cwd=directory, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    counted = re.findall(r"^(\w+) +(\d+)$", result.stdout + result.stderr, re.MULTILINE)
    return {rule: int(count) for rule, count in counted if rule != "total"}


def test_the_page_of_a_thousand_items_with_long_answers_is_small(tmp_path):
    texts = {f"item-{place:04d}": f"{place} " + "an owl and a wren, " * 100 for place in range(1000)}
    text = make_report(make_run(tmp_path, n=1000, responses=texts))
    assert 500_000 < len(text.encode()) < 5_000_000
    with open(tmp_path / "results/tables/differing_items.csv", encoding="utf-8") as stream:
        csv.field_size_limit(2**31 - 1)
        assert sum(1 for _ in csv.DictReader(stream)) > 500
