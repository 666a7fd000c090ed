"""Which items an arm is asked again: a sample that depends on the items' ids alone."""

from workflow_scripts.core.hashing import sha256_text


def items_to_repeat(items: list[dict], count: int) -> list[dict]:
    """At most `count` of the items, in their order: those with the smallest SHA-256 of their ids."""
    by_digest = sorted(items, key=lambda item: sha256_text(item["item_id"]))
    chosen = {item["item_id"] for item in by_digest[:count]}
    return [item for item in items if item["item_id"] in chosen]
