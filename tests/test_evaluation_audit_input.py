"""The audit refuses files that are broken or do not belong together: one line, and nothing written."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.claim_run import honest_run, run_claim
from tests.evaluation_files import write_arm
from workflow_scripts import evaluation_audit


@pytest.fixture
def refused(tmp_path, capsys):
    """Runs the audit on the files of a good run, some replaced; what it says when it refuses them."""
    arms = honest_run(n=20)
    run_claim(tmp_path / "run", {"base": arms["base"], "sft": arms["sft"]})
    run = tmp_path / "run"

    def refuse(settings='{"primary": ["base", "sft"]}', **replaced):
        files = {
            "scores": [run / "base/scores.parquet", run / "sft/scores.parquet"],
            "responses": [run / "base/responses.parquet", run / "sft/responses.parquet"],
            "comparisons": [run / "comparisons.json"],
            "items": [run / "items.parquet"],
            "same": [run / "base/same.parquet"],
            **replaced,
        }
        target = tmp_path / "out" / "audit.json"
        words = [word for name, paths in files.items() if paths for word in (f"--{name}", *paths)]
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            evaluation_audit.main([*map(str, words), "--audit", str(target), "--settings", settings])
        assert end.value.code == 1
        assert not target.parent.exists() or not list(target.parent.iterdir())
        told = capsys.readouterr().err.strip()
        assert len(told.splitlines()) == 1 and len(told) < 1000
        return told

    refuse.run, refuse.arms, refuse.folder = run, arms, tmp_path
    return refuse


def test_files_that_do_not_belong_together_are_refused(refused):
    run, arms = refused.run, refused.arms
    swapped = refused.folder / "swapped"
    run_claim(swapped, {"base": arms["sft"], "sft": arms["base"]})
    scores = [swapped / "base/scores.parquet", run / "sft/scores.parquet"]
    responses = [swapped / "base/responses.parquet", run / "sft/responses.parquet"]
    assert "are not of these responses" in refused(scores=scores)
    assert "not those of the scores given" in refused(scores=scores, responses=responses)
    assert "none.json" in refused(comparisons=[run / "none.json"])
    assert "compare these arms too" in refused('{"primary": ["sft", "base"]}')
    assert "no such arm" in refused('{"primary": ["base", "dpo"]}')
    assert "primary" in refused("{}")
    assert "one responses file for every scores file" in refused(responses=responses[:1])
    assert "give every arm once" in refused(scores=scores[1:] * 2, responses=responses[1:] * 2)
    assert "their checks score" in refused(items=[])


def test_comparisons_that_compare_did_not_write_are_refused(refused):
    bad = refused.folder / "bad.json"
    half = b'{"comparisons": [], "registration": {}}'
    for content in (b"{}", b'{"comparisons": [{}]}', b"\xff", b"[]", b'{"comparisons": 3}', b"{", half):
        bad.write_bytes(content)
        assert "bad.json: comparisons: give the file that compare wrote" in refused(comparisons=[bad])


def changed(answers, place, **values):
    return [dict(answer, **values) if number == place else answer for number, answer in enumerate(answers)]


def test_bad_answers_are_refused(refused):
    run, arms, folder = refused.run, refused.arms, refused.folder
    other = [run / "sft/scores.parquet"], [run / "sft/responses.parquet"]

    def told(name, answers):
        scores, responses = write_arm(folder / name, "base", answers)
        return refused(scores=[scores, *other[0]], responses=[responses, *other[1]])

    assert "type = ' ': item item-00003 has none" in told("empty-type", changed(arms["base"], 3, type=" "))
    assert "cluster = ''" in told("empty-cluster", changed(arms["base"], 3, cluster=""))
    assert "item item-00003, type = 'factual': base has 'x'" in told(
        "type", changed(arms["base"], 3, type="x")
    )
    assert "base has 'x'" in told("cluster", changed(arms["base"], 2, cluster="x"))
    assert "its items are not those of base" in told("items", arms["base"][:19])
    assert "holds no rows" in told("none", [])


def broken(path: Path, source: Path, damage) -> list[Path]:
    """A copy of a Parquet file that went through `damage`, a function of its table."""
    pq.write_table(damage(pq.read_table(source)), path)
    return [path]


def with_bytes(table: pa.Table, name: str, row: int, value: bytes) -> pa.Table:
    """The table with one text replaced by bytes that no check looks at when they are written."""
    values = [text.encode() for text in table.column(name).to_pylist()]
    values[row] = value
    place = table.schema.get_field_index(name)
    # Viewed, not cast: a cast would refuse what is not UTF-8.
    return table.set_column(place, table.schema.field(name), pa.array(values, pa.binary()).view(pa.string()))


def test_broken_record_files_are_refused(refused):
    run, folder = refused.run, refused.folder
    scores, other = run / "base/scores.parquet", run / "sft/scores.parquet"

    def told(name, damage):
        return refused(scores=[*broken(folder / f"{name}.parquet", scores, damage), other])

    twice = told("twice", lambda table: pa.concat_tables([table, table.slice(2, 1)]))
    assert "twice.parquet: item_id = 'item-00002': keep one row per item" in twice
    arms = told("arms", lambda table: with_bytes(table, "arm", 7, b"dpo"))
    assert "arms.parquet: arm = 'dpo': write one file per arm" in arms
    latin = told("latin", lambda table: with_bytes(table, "reason", 4, b"caf\xe9"))
    assert "latin.parquet" in latin and "UTF-8" in latin
    missing = told("missing", lambda table: table.drop_columns(["cluster"]))
    assert "missing.parquet: cluster = 'absent'" in missing
    numbers = [float("nan")] * 20
    nan = told(
        "nan", lambda table: table.set_column(table.schema.get_field_index("success"), "success", [numbers])
    )
    assert "nan.parquet: success = 'double'" in nan
    cut = folder / "cut.parquet"
    cut.write_bytes(scores.read_bytes()[:-40])
    assert "cut.parquet: this is no readable Parquet file" in refused(scores=[cut, other])
    assert "no readable Parquet file" in refused(scores=[folder, other])
    assert "does not exist" in refused(scores=[folder / "none.parquet", other])
