"""The records of all shards as one list."""

from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.core import schemas
from workflow_scripts.core.errors import InputError


def read_shards(paths: Sequence[str | Path]) -> list[dict]:
    """Records of all files in order of (shard, index), whatever the files' order.

    InputError when two files hold the same place, as when one shard is given twice.
    """
    places = {}
    for path in paths:
        for row in schemas.read_records(path, schemas.RECORDS):
            place = (row["shard"], row["index"])
            if place in places:
                remedy = "another file holds this record too: give every shard once"
                raise InputError(file=path, field="(shard, index)", value=place, remedy=remedy)
            places[place] = row
    return [places[place] for place in sorted(places)]
