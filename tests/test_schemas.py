"""Record files: what is written is read, equal rows give equal bytes, and a wrong column is named."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workflow_scripts.core import schemas
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.schemas import read_records, write_records

ALL = {name: value for name, value in vars(schemas).items() if isinstance(value, pa.Schema)}


def example(schema, place=0):
    """A row that fits a schema."""
    values = {
        pa.string(): f"text {place}",
        pa.bool_(): True,
        pa.float64(): 0.1,
        schemas.PROVENANCE: '{"a":1}',
    }
    return {field.name: values.get(field.type, place) for field in schema}


@pytest.mark.parametrize("name", ALL)
def test_rows_come_back_as_they_were(tmp_path, name):
    rows = [example(ALL[name], place) for place in range(3)]
    write_records(tmp_path / "a.parquet", rows, ALL[name])
    assert read_records(tmp_path / "a.parquet", ALL[name]) == rows


@pytest.mark.parametrize("name", ALL)
def test_no_rows_are_a_file_too(tmp_path, name):
    write_records(tmp_path / "a.parquet", [], ALL[name])
    assert read_records(tmp_path / "a.parquet", ALL[name]) == []


def test_every_record_has_the_common_columns():
    common = ["record_id", "seed", "prompt_sha256", "provenance"]
    assert len(ALL) == 8
    assert all(schema.names[:4] == common for name, schema in ALL.items() if name != "TRAINING_METRICS")


def test_equal_rows_give_equal_bytes(tmp_path):
    rows = [example(schemas.RECORDS, place) for place in range(100)]
    for name in ("a", "b"):
        write_records(tmp_path / name, [dict(reversed(row.items())) for row in rows], schemas.RECORDS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_provenance_is_stored_once(tmp_path):
    row = {**example(schemas.RESPONSES), "provenance": "p" * 10_000}
    write_records(tmp_path / "a", [row] * 500, schemas.RESPONSES)
    assert (tmp_path / "a").stat().st_size < 20_000


def test_null_is_allowed_where_the_schema_says_so(tmp_path):
    row = {**example(schemas.RECORDS), "verdict_margin": None, "p_yes": None, "rejected_reason": None}
    write_records(tmp_path / "a", [row], schemas.RECORDS)
    assert read_records(tmp_path / "a", schemas.RECORDS) == [row]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"response": None}, "response = 'null'"),
        ({"response_tokens": "many"}, "response_tokens"),
        ({"response_tokens": 1.5}, "response_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_column_is_refused_by_name_on_writing(tmp_path, change, named):
    with pytest.raises(InputError, match=named):
        write_records(tmp_path / "a", [{**example(schemas.RESPONSES), **change}], schemas.RESPONSES)


def test_a_missing_column_is_refused_by_name_on_writing(tmp_path):
    row = example(schemas.RESPONSES)
    del row["arm"]
    with pytest.raises(InputError, match="arm: row 0"):
        write_records(tmp_path / "a", [row], schemas.RESPONSES)


def test_another_kind_of_file_is_refused_by_column_on_reading(tmp_path):
    write_records(tmp_path / "a", [], schemas.SCORES)
    with pytest.raises(InputError, match="response_raw = 'absent': this column must be string, never null"):
        read_records(tmp_path / "a", schemas.RESPONSES)


def test_an_unknown_column_and_another_type_are_refused_on_reading(tmp_path):
    table = pa.table({"step": [1], "epoch": [1], "name": ["a"], "value": [0.5]})
    pq.write_table(table, tmp_path / "a")
    with pytest.raises(InputError, match="step = 'int64': this column must be int32"):
        read_records(tmp_path / "a", schemas.TRAINING_METRICS)


def test_what_is_no_parquet_file_is_refused(tmp_path):
    (tmp_path / "a").write_text("text")
    with pytest.raises(InputError, match="no readable Parquet"):
        read_records(tmp_path / "a", schemas.ITEMS)
    with pytest.raises(InputError, match="does not exist"):
        read_records(tmp_path / "b", schemas.ITEMS)
