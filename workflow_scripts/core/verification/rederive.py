"""Runs the jobs that need no model again, each on the files of the run, and compares what they make."""

import contextlib
import io
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.core.manifests import Places
from workflow_scripts.core.verification import comparing
from workflow_scripts.core.verification.findings import Finding
from workflow_scripts.core.verification.jobs import MODULES, Job

# These read weights or files that a copy of a run need not hold; `evidence` looks at what they made.
NEED_WEIGHTS = {"base_model", "merge_adapter"}
# These state what jobs used at some moment, from files that each run adds to.
MEASURE_USE = {"automation", "budget_gate", "calibrate_budget", "cost_ledger"}
NOT_AGAIN = {"manifest"}
FOLLOWS_CODE = {"train_sha256"}  # a digest of records, which state the digest of the code that made them


def is_rederivable(job: Job) -> bool:
    """Whether a job can run without accelerator and weights."""
    apart = NEED_WEIGHTS | MEASURE_USE | NOT_AGAIN
    return not (job.uses_gpu or job.directories or job.module in apart)


def run_module(job: Job) -> str | None:
    """Runs a job's module as `python -m` does, in this process; why it failed, or None.

    A gate that stops is no failure.
    """
    noise = io.StringIO()
    sys.argv = [job.module, *job.arguments]
    try:
        with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
            runpy.run_module(MODULES + job.module, run_name="__main__")
    except SystemExit as end:
        if end.code and not all(Path(path).is_file() and not Path(path).is_symlink() for path in job.outputs):
            return (noise.getvalue().strip().splitlines() or [f"exit status {end.code}"])[-1]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def rederive(job: Job, inner: Places, same_code: bool) -> list[Finding]:
    """Makes a job's outputs again in the working directory, which is a place and as before afterwards."""
    originals = {path: os.readlink(path) for path in job.outputs if Path(path).is_symlink()}
    how = f"computed again by {job.rule}" + ("" if same_code else ", whose code is not the run's")
    failure = run_module(job)
    if failure:
        names = [inner.name_of(path) for path in job.outputs]
        found = [Finding(names[0], "file", "can be computed again", failure, how)]
    else:
        found = [
            Finding(inner.name_of(path), field, expected, value, how, row)
            for path in job.outputs
            if path in originals
            for row, field, expected, value in _difference(path, originals[path], same_code)
        ]
    for path, original in originals.items():
        Path(path).unlink(missing_ok=True)
        Path(path).symlink_to(original)
    return found


def _difference(path: str, original: str, same_code: bool) -> Sequence[comparing.Place]:
    try:
        place = comparing.first_difference(Path(path), Path(original))
    except Exception as error:  # bytes that are no Parquet, no JSON, no UTF-8
        return [(None, "content", "a file that can be read", f"{type(error).__name__}: {error}")]
    if place is None or (not same_code and place[1] in FOLLOWS_CODE):
        return []
    return [place]
