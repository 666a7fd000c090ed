"""The Arrow schemas of all record files, and the one way to write and read them."""

import numbers

import pyarrow as pa
import pyarrow.parquet as pq

from workflow_scripts.core.errors import InputError

PROVENANCE = pa.dictionary(pa.int32(), pa.string())
TYPES = {"str": pa.string(), "i32": pa.int32(), "i64": pa.int64(), "f64": pa.float64(), "bool": pa.bool_()}


def _fields(columns: str) -> list[pa.Field]:
    """Fields from text: one `name:type` per word; a `?` after the type allows null."""
    words = [word.split(":") for word in columns.split()]
    return [pa.field(name, TYPES[kind.rstrip("?")], nullable=kind.endswith("?")) for name, kind in words]


def _record_schema(columns: str) -> pa.Schema:
    """A schema of records: the columns every record has, then its own."""
    common = [
        *_fields("record_id:str seed:i64 prompt_sha256:str"),
        pa.field("provenance", PROVENANCE, nullable=False),
    ]
    return pa.schema([*common, *_fields(columns)])


ITEMS = _record_schema(
    "item_id:str split:str type:str family:str cluster:str instruction:str check:str reference:str"
    " corruption:str"
)
RECORDS = _record_schema(
    "shard:i32 index:i32 instruction:str instruction_prompt_sha256:str instruction_finish_reason:str"
    " response_raw:str response:str finish_reason:str response_tokens:i32 prompt_tokens:i32"
    " verdict_margin:f64? p_yes:f64? accepted:bool rejected_reason:str?"
)
SFT_EXAMPLES = _record_schema(
    "source_record_id:str instruction:str prompt:str completion:str verdict_margin:f64?"
)
CANDIDATES = _record_schema(
    "instruction_id:str instruction:str prompt:str candidate:i32 response_raw:str response:str"
    " finish_reason:str response_tokens:i32 prompt_tokens:i32 verdict_margin:f64? p_yes:f64? usable:bool"
)
PAIRS = _record_schema(
    "instruction_id:str instruction:str prompt:str chosen:str rejected:str chosen_id:str rejected_id:str"
    " chosen_margin:f64 rejected_margin:f64 margin:f64"
)
RESPONSES = _record_schema(
    "item_id:str arm:str response_raw:str response:str finish_reason:str response_tokens:i32"
    " prompt_tokens:i32"
)
SCORES = _record_schema(
    "item_id:str arm:str type:str family:str cluster:str success:bool reason:str response_characters:i32"
    " finish_reason:str"
)
TRAINING_METRICS = pa.schema(_fields("step:i32 epoch:f64 name:str value:f64"))


def _column(path, rows: list[dict], field: pa.Field) -> pa.Array:
    values = [row[field.name] for row in rows]
    if not field.nullable and None in values:
        remedy = f"row {values.index(None)} has no value; this column may not be null"
        raise InputError(file=path, field=field.name, value="null", remedy=remedy)
    # Arrow would cut 1.5 to 1 without a word.
    wrong = [value for value in values if not isinstance(value, numbers.Integral)]
    if pa.types.is_integer(field.type) and wrong:
        raise InputError(file=path, field=field.name, value=wrong[0], remedy="give an integer")
    try:
        return pa.array(values, type=field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise InputError(file=path, field=field.name, remedy=f"give {field.type}: {error}") from None


def write_records(path, rows: list[dict], schema: pa.Schema) -> None:
    """Writes rows as Parquet in the order given; equal rows give equal bytes.

    InputError names the column that is missing, not in the schema, null where it may not be, or of a wrong
    type.
    """
    names = set(schema.names)
    for place, row in enumerate(rows):
        if row.keys() != names:
            wrong = sorted(names ^ row.keys())
            remedy = f"row {place} must have exactly the columns {', '.join(schema.names)}"
            raise InputError(file=path, field=", ".join(wrong), remedy=remedy)
    table = pa.table([_column(path, rows, field) for field in schema], schema=schema)
    pq.write_table(table, path, compression="zstd", row_group_size=65536)


def _describe(schema: pa.Schema, name: str) -> str:
    if name not in schema.names:
        return "absent"
    field = schema.field(name)
    return f"{field.type}{'' if field.nullable else ', never null'}"


def read_records(path, schema: pa.Schema) -> list[dict]:
    """Reads a record file as a list of dicts. InputError names the column that does not fit the schema."""
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except FileNotFoundError:
        raise InputError(file=path, remedy="this record file does not exist: make it first") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(file=path, remedy=f"this is no readable Parquet file: {error}") from None
    for name in [*schema.names, *table.schema.names]:
        found, wanted = _describe(table.schema, name), _describe(schema, name)
        if found != wanted:
            remedy = f"this column must be {wanted}: remove the file and let the workflow remake it"
            raise InputError(file=path, field=name, value=found, remedy=remedy)
        try:
            table.column(name).validate(full=True)
        except pa.ArrowInvalid as error:
            remedy = f"its values cannot be read ({error}): text must be UTF-8"
            raise InputError(file=path, field=name, remedy=remedy) from None
    return table.to_pylist()
