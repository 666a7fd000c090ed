"""What compare refuses: each kind of bad input is named in one line, and nothing is written."""

import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.compare_runs import outcomes, run, write_two_arms
from tests.evaluation_files import scored_rows, write_jsonl
from workflow_scripts import compare


@pytest.fixture
def two_files(tmp_path):
    return write_two_arms(tmp_path)


def changed(rows, place, **values):
    rows = [dict(row) for row in rows]
    rows[place].update(values)
    return rows


GOOD = scored_rows([True, False, True, True])
BAD_JSONL = {
    "success as NaN": (changed(GOOD, 1, success=float("nan")), "line 2, success = nan: write true or false"),
    "success as text": (changed(GOOD, 1, success="yes"), "line 2, success = 'yes'"),
    "success as a float": (changed(GOOD, 1, success=0.5), "line 2, success = 0.5"),
    "success as another integer": (changed(GOOD, 1, success=2), "line 2, success = 2"),
    "success null": (changed(GOOD, 1, success=None), "line 2, success = 'nothing'"),
    "duplicate": (changed(GOOD, 2, item_id="item-00000"), "'item-00000': this item is already in line 1"),
    "id null": (changed(GOOD, 0, item_id=None), "line 1, item_id"),
    "id empty": (changed(GOOD, 0, item_id=" "), "line 1, item_id"),
    "id as a float": (changed(GOOD, 0, item_id=1.5), "line 1, item_id = 1.5"),
    "type empty": (changed(GOOD, 3, type=""), "line 4, type = ''"),
    "type overall": (changed(GOOD, 3, type="overall"), "line 4, type = 'overall'"),
    "cluster in some rows": (changed(GOOD, 3, cluster="a"), "line 1, cluster"),
    "two arms": ([{**row, "arm": "ab"[place // 2]} for place, row in enumerate(GOOD)], "line 3, arm = 'b'"),
    "a row too few": (GOOD[:3], "item_id = 'item-00003': 1 item(s)"),
    "other items": (changed(GOOD, 3, item_id="other"), "item_id = 'item-00003': 1 item(s)"),
    "other type": (changed(GOOD, 3, type="list"), "item item-00003, type = 'list'"),
    "no type": ([{"item_id": "a", "success": True}], "type: this column is missing"),
    "no rows": ([], "holds no items"),
    "a surrogate": (changed(GOOD, 3, type="\ud800"), "line 4, type"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_JSONL)
def test_bad_rows_are_named(tmp_path, case, capsys):
    rows, named = BAD_JSONL[case]
    good, bad = write_jsonl(tmp_path / "good.jsonl", GOOD), write_jsonl(tmp_path / "bad.jsonl", rows)
    status, result = run(tmp_path, [good, bad])
    told = capsys.readouterr().err.strip()
    assert (status, result) == (1, None)
    assert named in told
    assert "bad.jsonl" in told
    assert len(told.splitlines()) == 1


BAD_BYTES = {
    "latin-1": (b'{"item_id": "a", "type": "caf\xe9", "success": true}\n', "line 1, byte 29"),
    "not JSON": (b'{"item_id": "a"\n', "line 1"),
    "a list": (b"[1, 2]\n", "line 1"),
    "broken Parquet": (b"PAR1 and nothing more", "no readable Parquet"),
    "deep JSON": (b"[" * 100000 + b"\n", "line 1"),
    "empty": (b"", "holds no items"),
}


@pytest.mark.parametrize("case", BAD_BYTES)
def test_bad_files_are_named(tmp_path, case, capsys):
    content, named = BAD_BYTES[case]
    good, bad = write_jsonl(tmp_path / "good.jsonl", GOOD), tmp_path / "bad.jsonl"
    bad.write_bytes(content)
    status, result = run(tmp_path, [good, bad])
    told = capsys.readouterr().err.strip()
    assert (status, result) == (1, None)
    assert named in told
    assert "bad.jsonl" in told
    assert len(told.splitlines()) == 1
    assert len(told) < 1000


def test_nan_in_parquet_is_named(tmp_path, capsys):
    rows = [{**row, "success": float(row["success"])} for row in GOOD]
    rows[2]["success"] = float("nan")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "bad.parquet")
    status, _ = run(tmp_path, [write_jsonl(tmp_path / "good.jsonl", GOOD), tmp_path / "bad.parquet"])
    assert status == 1
    assert "bad.parquet: row 1, success = 1.0: write true or false" in capsys.readouterr().err


def parquet_bytes(tmp_path, rows) -> bytes:
    path = tmp_path / "whole.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path.read_bytes()


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def without_middle(content: bytes) -> bytes:
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


@pytest.mark.parametrize("damage", [truncated, without_middle])
def test_damaged_parquet_is_named(tmp_path, damage, capsys):
    rows = scored_rows(outcomes(500, 0.5, 1))
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(damage(parquet_bytes(tmp_path, rows)))
    assert run(tmp_path, [write_jsonl(tmp_path / "good.jsonl", rows), bad]) == (1, None)
    told = capsys.readouterr().err.strip()
    assert "bad.parquet" in told and "no readable Parquet" in told
    assert len(told.splitlines()) == 1


def test_parquet_text_that_is_not_utf_8_is_named(tmp_path, capsys):
    """Parquet's writers do not check what a text column holds."""
    table = pa.Table.from_pylist(GOOD)
    types = pa.array([b"list", b"caf\xe9", b"list", b"factual"], type=pa.binary())
    unchecked = pa.StringArray.from_buffers(4, types.buffers()[1], types.buffers()[2])
    pq.write_table(
        table.set_column(table.column_names.index("type"), "type", unchecked), tmp_path / "bad.parquet"
    )
    files = [write_jsonl(tmp_path / "good.jsonl", GOOD), tmp_path / "bad.parquet"]
    assert run(tmp_path, files) == (1, None)
    told = capsys.readouterr().err
    assert "bad.parquet" in told and "utf-8" in told.lower()


@pytest.mark.parametrize("place", ["item_id", "type", "cluster", "arm", "success"])
def test_a_field_of_a_million_characters_is_not_repeated_in_an_error(tmp_path, place, capsys):
    long = "x" * 1_000_000
    rows = [{**row, "cluster": "c", "arm": "bad"} for row in GOOD]
    good = write_jsonl(tmp_path / "good.jsonl", [{**row, "arm": "good"} for row in rows])
    bad = write_jsonl(tmp_path / "bad.jsonl", changed(rows, 2, **{place: long}))
    start = time.perf_counter()
    assert run(tmp_path, [good, bad]) == (1, None)
    assert time.perf_counter() - start < 5
    told = capsys.readouterr().err
    assert place in told and len(told) < 1000


def test_a_response_of_a_million_characters_beside_the_scores_changes_nothing(tmp_path):
    good = write_jsonl(tmp_path / "good.jsonl", GOOD)
    plain = write_jsonl(tmp_path / "other.jsonl", GOOD)
    _, expected = run(tmp_path, [good, plain], {"bootstrap_samples": 100})
    write_jsonl(tmp_path / "other.jsonl", [{**row, "response": "x" * 1_000_000} for row in GOOD])
    assert run(tmp_path, [good, plain], {"bootstrap_samples": 100}) == (0, expected)


def test_missing_files_folders_and_single_files_are_refused(tmp_path, two_files, capsys):
    for files, named in (
        ([two_files[0], tmp_path / "none.jsonl"], "none.jsonl"),
        ([two_files[0], tmp_path], "cannot be read"),
        ([two_files[0]], "two arms or more"),
        ([two_files[0], two_files[0]], "the same arm"),
    ):
        assert run(tmp_path, files) == (1, None)
        assert named in capsys.readouterr().err


def test_clusters_in_one_file_only_are_refused(tmp_path, capsys):
    left = write_jsonl(tmp_path / "left.jsonl", GOOD)
    right = write_jsonl(tmp_path / "right.jsonl", scored_rows([True] * 4, clusters=2))
    assert run(tmp_path, [left, right]) == (1, None)
    assert "left.jsonl: cluster: this column is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"alpha": "0.05"}, "statistics.alpha = '0.05'"),
        ({"alpha": 1.5}, "statistics.alpha = 1.5"),
        ({"bootstrap_samples": 10}, "statistics.bootstrap_samples = 10"),
        ({"seed": True}, "statistics.seed = True"),
        ({"boot": 1}, "statistics.boot: unknown"),
        ({"comparisons": [["base", "nobody"]]}, "['base', 'nobody']"),
        ({"comparisons": [["base", "base"]]}, "two different arms"),
        ({"comparisons": [["base", "tuned"], ["base", "tuned"]]}, "name each pair once"),
        ({"comparisons": "base"}, "statistics.comparisons = 'base'"),
        ({"comparisons": []}, "statistics.comparisons = []"),
        ({"comparisons": [["base", "tuned"]], "primary": ["tuned", "base"]}, "statistics.primary"),
        ({"adjustment": {"arms": "bonferroni"}}, "statistics.adjustment"),
        ({"adjustment": {"arm": "holm"}}, "known here are arms, types"),
        ({"planned_discordance": {"primary": 0}}, "statistics.planned_discordance"),
    ],
)
def test_wrong_settings_are_named(tmp_path, two_files, settings, named, capsys):
    assert run(tmp_path, two_files, {"statistics": settings}) == (1, None)
    assert named in capsys.readouterr().err


def test_an_earlier_result_survives_an_error(tmp_path, two_files):
    run(tmp_path, two_files)
    target = tmp_path / "out" / "comparisons.json"
    before = target.read_bytes()
    with pytest.raises(SystemExit):
        compare.main(["--scores", two_files[0], "--comparisons", str(target)])
    assert target.read_bytes() == before
