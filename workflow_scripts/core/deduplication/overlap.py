"""The proof that training data shares no instruction with held-out data."""

from collections.abc import Sequence

from workflow_scripts.core import hashing
from workflow_scripts.core.deduplication.exact import instruction_sha256

METHOD = {
    "name": "exact_normalised",
    "description": "NFKC, casefold, single spaces, no punctuation at either end; then equal SHA-256",
}


def remove_overlap(
    examples: Sequence[dict], references: dict[str, Sequence[str]]
) -> tuple[list[dict], dict[str, list[str]]]:
    """Split off every example whose instruction occurs in a reference set.

    `references` maps a set's name to its instructions. Returns (examples kept, {name: hashes of the
    instructions removed for it}); an example that occurs in several sets is counted for each of them.
    """
    known = {name: {instruction_sha256(text) for text in texts} for name, texts in references.items()}
    removed = {name: [] for name in references}
    kept = []
    for example in examples:
        digest = instruction_sha256(example["instruction"])
        hits = [name for name, digests in known.items() if digest in digests]
        for name in hits:
            removed[name].append(digest)
        if not hits:
            kept.append(example)
    return kept, removed


def overlap_report(instructions: Sequence[str], references: dict[str, Sequence[str]]) -> dict:
    """Count, on the finished data, what must not be there.

    Returns {"examples", "duplicates", "overlap": {name: count}, "shared": {name: hashes},
    "references": {name: distinct instructions compared with}, "instructions_sha256": one hash over the sorted
    hashes of the instructions, which names the compared set}.
    """
    digests = [instruction_sha256(text) for text in instructions]
    known = {name: {instruction_sha256(text) for text in texts} for name, texts in references.items()}
    shared = {name: [digest for digest in digests if digest in among] for name, among in known.items()}
    return {
        "examples": len(digests),
        "duplicates": len(digests) - len(set(digests)),
        "overlap": {name: len(hits) for name, hits in shared.items()},
        "shared": {name: sorted(set(hits)) for name, hits in shared.items()},
        "references": {name: len(among) for name, among in known.items()},
        "instructions_sha256": hashing.sha256_text(hashing.canonical_json(sorted(digests))),
    }
