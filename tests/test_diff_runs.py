"""What differs between two runs: nothing for the same, each kind of difference by name, the paired test."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workflow_scripts import diff_runs
from workflow_scripts.core import manifests, seals
from workflow_scripts.core.outputs import write_json
from workflow_scripts.core.statistics import mcnemar
from workflow_scripts.core.statistics.tables import PairedTable

STATISTICS = {"bootstrap_samples": 200, "alpha": 0.05, "seed": 1}


def write_run(root, *, seed=1, wins=0, losses=0, packages=None, code="c1", items=100):
    """A small folder of results: one arm with half of its items right, then some won and some lost."""
    results = root / "results"
    right = np.arange(items) < items // 2
    right[items // 2 : items // 2 + wins] = True
    right[:losses] = False
    names = [f"item-{number:03d}" for number in range(items)]
    scores = results / "evaluation/sft/scores.parquet"
    scores.parent.mkdir(parents=True)
    pq.write_table(pa.table({"item_id": names, "type": ["list"] * items, "success": right.tolist()}), scores)
    config = {"seed": seed, "statistics": STATISTICS}
    session = {
        "session": "s",
        "start": "2026-01-01T00:00:00+00:00",
        "config": {**config, "pathvars": {"results": str(results), "reports": "reports"}},
        "packages": packages or {"numpy": "2.3.5"},
        "machine": {"host": root.name, "system": "Linux", "python": "3.11", "cpus": 2, "gpus": []},
        "git_commit": "a" * 40,
        "git_dirty": False,
        "planned": [str(scores)],
        "made": {str(scores): manifests.describe(scores)},
    }
    (results / "sessions").mkdir()
    write_json(results / "sessions/s.json", seals.sealed(session))
    files = {"results/evaluation/sft/scores.parquet": manifests.describe(scores)}
    manifest = {
        "config": config,
        "code": {"score": code},
        "environment": {"score": "e"},
        "files": files,
        "given": {},
    }
    write_json(results / "manifest.json", seals.sealed(manifest))
    return results


def difference(capsys, tmp_path, a, b, *more) -> tuple[int, str, dict]:
    """(exit status, what is printed, the JSON) of one comparison."""
    target = tmp_path / "difference.json"
    with pytest.raises(SystemExit) as end:
        diff_runs.main([str(a), str(b), "--json", str(target), "--exit-code", *more])
    return end.value.code, capsys.readouterr().out, json.loads(target.read_text())


def test_two_equal_runs_have_no_difference(capsys, tmp_path):
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    status, text, document = difference(capsys, tmp_path, a, b)
    assert status == 0 and "no difference" in text and document["same"]
    assert document["data"] == {"same": 1, "different": [], "measured": [], "only_a": [], "only_b": []}


def test_each_kind_of_difference_is_named(capsys, tmp_path):
    a = write_run(tmp_path / "a")
    b = write_run(
        tmp_path / "b", seed=2, wins=12, losses=2, packages={"numpy": "2.4.0", "new": "1"}, code="c2"
    )
    status, text, document = difference(capsys, tmp_path, a, b)
    assert status == 1 and not document["same"] and "no difference" not in text
    assert document["config"] == [{"field": "seed", "a": 1, "b": 2}]
    assert document["code"]["rules"] == [{"rule": "score", "a": "c1", "b": "c2"}]
    packages = {row["package"]: (row["a"], row["b"]) for row in document["environment"]["packages"]}
    assert packages == {"numpy": ("2.3.5", "2.4.0"), "new": ("absent", "1")}
    assert [row["a"]["records"] for row in document["data"]["different"]] == [100]
    entry = document["outcome"]["arms"][0]["comparison"]
    assert (entry["only_baseline"], entry["only_candidate"]) == (2, 12)
    assert entry["mcnemar"]["mid_p"] == mcnemar.tests(PairedTable(48, 2, 12, 38))["mid_p"]
    assert "+10.0 points" in text and "seed" in text and "numpy" in text


def test_other_items_are_not_paired(capsys, tmp_path):
    a, b = write_run(tmp_path / "a", items=100), write_run(tmp_path / "b", items=80)
    _, text, document = difference(capsys, tmp_path, a, b)
    row = document["outcome"]["arms"][0]
    assert not row["same_items"] and "comparison" not in row and row["common_items"] == 80
    assert "other items (80 of 100 and 80 in both)" in text


def test_two_sessions_are_compared_by_what_they_made(capsys, tmp_path):
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", wins=5)
    sessions = [results / "sessions/s.json" for results in (a, b)]
    status, text, document = difference(capsys, tmp_path, *sessions)
    assert status == 1 and document["outcome"] is None
    assert [row["file"] for row in document["data"]["different"]] == ["results/evaluation/sft/scores.parquet"]
    assert "compared where both are folders" in text


def test_a_run_without_a_manifest_is_described_by_its_files(capsys, tmp_path):
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", wins=3)
    for results in (a, b):
        (results / "manifest.json").unlink()
    _, text, document = difference(capsys, tmp_path, a, b)
    assert len(document["data"]["different"]) == 1 and document["notes"]
    assert "no manifest is there" in text


@pytest.mark.parametrize("made", ["nothing", "empty folder", "other JSON"])
def test_what_is_no_run_is_refused_in_one_line(capsys, tmp_path, made):
    path = tmp_path / "run"
    if made == "empty folder":
        path.mkdir()
    elif made == "other JSON":
        path.write_text("[1]")
    with pytest.raises(SystemExit) as end:
        diff_runs.main([str(path), str(path)])
    assert end.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1 and str(path) in lines[0]
