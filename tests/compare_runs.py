"""Runs of the compare command, and scored files made for them."""

import json

import numpy as np

from tests.evaluation_files import scored_rows, write_jsonl
from workflow_scripts import compare


def outcomes(n, rate, seed):
    """Random outcomes, boolean, shape [n]."""
    return np.random.default_rng(seed).random(n) < rate


def run(tmp_path, files, settings=None):
    """Runs the command; its exit status and the result, None when nothing was written."""
    target = tmp_path / "out" / "comparisons.json"
    words = ["--scores", *map(str, files), "--comparisons", str(target)]
    status = 0
    try:
        compare.main(words if settings is None else [*words, "--settings", json.dumps(settings)])
    except SystemExit as end:
        status = end.code
    assert status == 0 or not target.exists()
    assert not target.parent.exists() or [path.name for path in target.parent.iterdir()] in (
        [],
        [target.name],
    )
    return status, json.loads(target.read_text()) if target.exists() else None


def write_two_arms(tmp_path) -> list[str]:
    """The files of two arms, base and tuned, over 200 items of two types and nine clusters."""
    base = scored_rows(outcomes(200, 0.5, 1), clusters=9)
    tuned = scored_rows(outcomes(200, 0.7, 2), clusters=9)
    return [write_jsonl(tmp_path / "base.jsonl", base), write_jsonl(tmp_path / "tuned.jsonl", tuned)]
