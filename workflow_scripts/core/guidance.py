"""What a prompt asks of the next instruction, so that instructions differ: a topic, a verb, what to avoid."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from workflow_scripts.core.deduplication.exact import first_positions
from workflow_scripts.core.errors import InputError


@dataclass(frozen=True)
class Guidance:
    """What is drawn from: topics, verbs, and earlier instructions, of which `avoid` are shown."""

    topics: Sequence[str]
    verbs: Sequence[str]
    earlier: Sequence[str] = ()
    avoid: int = 0

    def draw(self, seed: int) -> dict:
        """The template variables `topic`, `verb` and `avoid` (a list) of one record, by its seed alone."""
        rng = random.Random(seed)
        topic, verb = rng.choice(self.topics), rng.choice(self.verbs)
        avoid = rng.sample(list(self.earlier), min(self.avoid, len(self.earlier)))
        return {"topic": topic, "verb": verb, "avoid": avoid}


def load_guidance(path: str | Path, earlier: Sequence[str] = (), avoid: int = 0) -> Guidance:
    """The lists `topics` and `verbs` of a YAML file. InputError for one that is missing or not of texts."""
    document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    lists = document if isinstance(document, dict) else {}
    for field in ("topics", "verbs"):
        entries = lists.get(field)
        texts = isinstance(entries, list) and all(isinstance(entry, str) for entry in entries)
        if not texts or not entries:
            remedy = "give a list of one or more texts (in quotes where YAML reads a number, a date or yes)"
            raise InputError(file=path, field=field, value=entries, remedy=remedy)
    return Guidance(lists["topics"], lists["verbs"], earlier, avoid)


def earlier_instructions(records: Iterable[dict]) -> list[str]:
    """The distinct well-formed instructions of earlier records, in their order."""
    texts = [
        record["instruction"]
        for record in records
        if record["rejected_reason"] not in ("malformed_instruction", "truncated_instruction")
    ]
    return [texts[position] for position in first_positions(texts)]
