"""The battery of sentinels: read, checked, and rendered as it is sent."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from workflow_scripts.core import prompts
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json, sha256_text

LEAST = 50  # sentinels: with fewer, a rate says little
KINDS = ("text", "question", "instruction", "dialogue")
FORMATS = ("bare", "completion")


@dataclass(frozen=True)
class Battery:
    """Sentinels {id, kind, format, prompt}, how many tokens each may be continued by, and their digest."""

    sentinels: list[dict]
    max_new_tokens: int

    def sha256(self, template: prompts.Template) -> str:
        """Digest of what is asked: the sentinels as they are sent, by id, and the number of tokens."""
        ids = [sentinel["id"] for sentinel in self.sentinels]
        return sha256_text(canonical_json([ids, self.texts(template), self.max_new_tokens]))

    def texts(self, template: prompts.Template) -> list[str]:
        """The prompts as they are sent; those of the format `completion` inside the prompt of training."""
        return [
            prompts.render(template, instruction=sentinel["prompt"])
            if sentinel["format"] == "completion"
            else sentinel["prompt"]
            for sentinel in self.sentinels
        ]


def load_sentinels(path: str | Path) -> Battery:
    """The sentinels of a YAML file. InputError for a wrong field, an id or prompt given twice, or too few."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(file=path, remedy=f"this is no readable YAML file: {error}") from None
    content = content if isinstance(content, dict) else {}
    entries, most = content.get("sentinels"), content.get("max_new_tokens")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise InputError(
            file=path, field="max_new_tokens", value=most, remedy="give a whole number from 1 on"
        )
    if not isinstance(entries, list) or len(entries) < LEAST:
        count = len(entries) if isinstance(entries, list) else entries
        raise InputError(file=path, field="sentinels", value=count, remedy=f"list {LEAST} or more")
    sentinels = [_sentinel(path, place, entry) for place, entry in enumerate(entries)]
    for field in ("id", "prompt"):
        values = [sentinel[field] for sentinel in sentinels]
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            remedy = "this is there twice: remove one"
            raise InputError(file=path, field=f"sentinels.{field}", value=twice[0], remedy=remedy)
    return Battery(sentinels, most)


def _sentinel(path, place: int, entry) -> dict:
    sentinel = {"format": "bare", **entry} if isinstance(entry, dict) else {}
    allowed = {"id": None, "prompt": None, "kind": KINDS, "format": FORMATS}
    for field, values in allowed.items():
        value = sentinel.get(field)
        if not isinstance(value, str) or not value.strip() or (values and value not in values):
            remedy = f"give one of {', '.join(values)}" if values else "give a text"
            raise InputError(file=path, field=f"sentinels[{place}].{field}", value=value, remedy=remedy)
    unknown = sorted(sentinel.keys() - allowed)
    if unknown:
        remedy = f"remove it: a sentinel has {', '.join(allowed)}"
        raise InputError(file=path, field=f"sentinels[{place}]", value=unknown[0], remedy=remedy)
    return sentinel
