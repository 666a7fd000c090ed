"""The sets that training data must share nothing with: test items, exemplars, sentinels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.core import hashing, schemas
from workflow_scripts.core.exemplars import load_exemplars
from workflow_scripts.core.sentinels.battery import load_sentinels


@dataclass(frozen=True)
class HeldOutSet:
    """Texts of one file, with the names that they have there, and their clusters where these are known."""

    name: str
    sha256: str
    ids: Sequence[str]
    texts: Sequence[str]
    clusters: Sequence[str] | None = None


def read_items(name: str, path: str | Path) -> HeldOutSet:
    """The instructions of a split of the test set, with the template that each was made from."""
    items = schemas.read_records(path, schemas.ITEMS)
    columns = ([item[field] for item in items] for field in ("item_id", "instruction", "cluster"))
    return HeldOutSet(name, hashing.sha256_file(path), *columns)


def read_exemplars(path: str | Path) -> HeldOutSet:
    """The instructions of the exemplars, named by their place in the file."""
    texts = [exemplar["instruction"] for exemplar in load_exemplars(path)]
    names = [f"exemplar-{place + 1}" for place in range(len(texts))]
    return HeldOutSet("exemplars", hashing.sha256_file(path), names, texts)


def read_sentinels(path: str | Path) -> HeldOutSet:
    """The sentinels' prompts."""
    sentinels = load_sentinels(path).sentinels
    names, texts = ([sentinel[field] for sentinel in sentinels] for field in ("id", "prompt"))
    return HeldOutSet("sentinels", hashing.sha256_file(path), names, texts)
