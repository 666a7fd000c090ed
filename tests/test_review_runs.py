"""A review's jobs are exactly those that then run: on the real workflow, edited and run for real.

Where an edit would make half of the run again, a target keeps it short: review and run are given the same.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY, run_snakemake
from tests.small_workflow import edit

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
TEMPLATE = "reports/templates/macros.html.j2"
HELPER = "workflow_scripts/core/report_format.py"
SHARDS = "shard_size: 48\n  shards: 2"


def append(path, text):
    path.write_text(path.read_text() + text)


def edit_threshold(copy):
    edit(
        copy / "config/config.yaml",
        "claim_mid_p: {bound: value, below: 0.01",
        "claim_mid_p: {bound: value, below: 0.02",
    )


def edit_template(copy):
    append(copy / TEMPLATE, "{# an edit #}\n")


def edit_helper(copy):
    append(copy / HELPER, "\n# an edit\n")


def edit_environment(copy):
    edit(copy / "envs/analysis.yaml", "psutil==", "psutil==1.")


def add_shard(copy):
    edit(copy / TINY, SHARDS, SHARDS.replace("2", "3"))


def edit_plan_and_decoding(copy):
    edit(copy / TINY, "statistics:\n", "statistics:\n  alpha: 0.05\n")
    append(copy / TINY, "evaluation: {max_new_tokens: 31}\n")


@pytest.fixture(scope="module")
def copy(finished_run, tmp_path_factory):
    """One copy for the edits that are run to the end, one after another."""
    return copied(finished_run, tmp_path_factory.mktemp("review"))


def copied(finished, folder):
    subprocess.run(["cp", "-a", "--reflink=auto", str(finished), str(folder / "run")], check=True)
    return folder / "run"


def review(copy, *targets):
    """The list of jobs of a review."""
    pages = copy / "reports/review"
    command = ["snakemake", "--profile", "profiles/local", "--configfile", TINY, "--", *targets]
    module = [sys.executable, "-m", "workflow_scripts.review", "--pages", str(pages), "--"]
    result = subprocess.run([*module, *command], cwd=copy, capture_output=True, text=True, env=os.environ)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads((pages / "jobs.json").read_text())


def times(copy):
    """{file or folder that the run made: when, in nanoseconds}"""
    made = [path for place in ("results", "reports") for path in (copy / place).rglob("*")]
    skipped = ("sessions", "review", "templates", "captions", "usage", ".state")
    return {
        str(path.relative_to(copy)): path.stat().st_mtime_ns
        for path in made
        if not {*skipped} & {*path.relative_to(copy).parts} and not path.name.startswith(".")
    }


def run_and_compare(copy, listed, *targets):
    """Runs what was reviewed: of all outputs that any job has, those were written that were listed."""
    expected = {output for job in listed["run"] for output in job["outputs"]}
    before = times(copy)
    result = run_snakemake(copy, "--cores", "2", "--", *targets)
    assert result.returncode == 0, result.stdout[-4000:]
    after = times(copy)
    written = {name for name, time in after.items() if before.get(name) != time}
    folders = {str(parent) for output in {*expected, *written} for parent in Path(output).parents}
    inside = {name for name in written if {str(parent) for parent in Path(name).parents} & expected}
    assert written - folders - inside == expected - folders
    return {job["rule"] for job in listed["run"]}


def test_nothing_changed_nothing_listed(copy):
    assert review(copy)["run"] == []


@pytest.mark.parametrize(
    ("change", "kinds", "rules"),
    [
        (edit_template, {"input"}, {"summary_page"}),
        (edit_helper, {"code"}, {"summary_page", "report_tables"}),
        (edit_threshold, {"setting"}, {"gate_claim", "report_tables", "summary_page"}),
    ],
)
def test_an_edit_lists_the_jobs_that_then_run(copy, change, kinds, rules):
    change(copy)
    listed = review(copy)
    assert kinds <= {reason["kind"] for job in listed["run"] for reason in job["reasons"]}
    assert rules <= run_and_compare(copy, listed) and not listed["left_out"]
    assert review(copy)["run"] == []


@pytest.mark.parametrize(
    ("change", "target", "rules"),
    [
        (edit_environment, "results/test_set/audit.json", {"test_set", "test_set_audit"}),
        (add_shard, "results/generation/shard-002.parquet", {"generate_shard"}),
    ],
)
def test_a_dear_edit_lists_the_jobs_that_then_run(finished_run, tmp_path, change, target, rules):
    copy = copied(finished_run, tmp_path)
    change(copy)
    assert rules <= run_and_compare(copy, review(copy, target), target)
    assert review(copy, target)["run"] == []
    shutil.rmtree(copy)


def test_edits_that_come_together_are_made_in_as_many_runs_as_the_review_says(finished_run, tmp_path):
    """A job that hangs on an ancient file alone may be left out of the first run: then the review says so."""
    copy, target = copied(finished_run, tmp_path), "results/evaluation/base/responses.parquet"
    edit_plan_and_decoding(copy)
    made, listed = set(), review(copy, target)
    while listed["run"]:
        rules = run_and_compare(copy, listed, target)
        again = review(copy, target)
        assert {job["outputs"][0] for job in listed["left_out"]} == {
            job["outputs"][0] for job in again["run"]
        }
        made, listed = made | rules, again
    assert {"preregister", "respond"} <= made
    shutil.rmtree(copy)
