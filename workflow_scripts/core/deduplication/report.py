"""The overlap report: how was compared, with what, what was removed, and what is left."""

from collections import Counter
from collections.abc import Sequence

from workflow_scripts.core import hashing
from workflow_scripts.core.deduplication import near
from workflow_scripts.core.deduplication.exact import instruction_sha256
from workflow_scripts.core.deduplication.held_out import HeldOutSet
from workflow_scripts.core.deduplication.selection import WITHIN, Removal, overlaps, repeats
from workflow_scripts.core.deduplication.skeletons import LEAST_WORDS, SkeletonIndex, excess

EXAMPLES = 3


def methods(settings: dict) -> list[dict]:
    """Each method with its parameters and what it calls the same, for a reader of the report."""
    parameters = near.NearParameters(**settings["near"])
    bands = near.bands_for(parameters.threshold, parameters.permutations)
    rows = parameters.permutations // bands
    found = near.candidate_probability(parameters.threshold, rows, bands)
    return [
        {
            "name": "exact",
            "description": "NFKC, casefold, single spaces, no punctuation at either end; then equal",
            "parameters": {},
        },
        {
            "name": "near",
            "description": "Jaccard similarity of the sets of character n-grams of normalised instructions;"
            " candidates by MinHash bands, each verified",
            "parameters": {**settings["near"], "bands": bands, "rows": rows, "recall_at_threshold": found},
        },
        {
            "name": "coverage",
            "description": "share of the word n-grams of an instruction or a response that the set's texts"
            " hold, or of one such text's that it holds",
            "parameters": dict(settings["coverage"]),
        },
        {
            "name": "skeleton",
            "description": "the instruction without the fillings of its slots equals a set's, or has the"
            " frame of one of its clusters",
            "parameters": {**settings["skeletons"], "least_words": LEAST_WORDS},
        },
    ]


def describe(held_out: HeldOutSet) -> dict:
    """A compared set: number of texts, SHA-256 of its file, and the frames of its clusters."""
    described = {"texts": len(held_out.texts), "sha256": held_out.sha256}
    if held_out.clusters is not None:
        frames = SkeletonIndex(held_out.texts, held_out.clusters).frames
        described["frames"] = {cluster: str(frame) for cluster, frame in sorted(frames.items())}
    return described


def _metrics(left: dict, removals: Sequence[Removal], records: int, examples: int) -> dict:
    """How many records a method finds in a set after removal, and how many went because of each set."""

    def removed(method: str | None = None, name: str | None = None) -> dict:
        hits = [hit for hit in removals if method in (None, hit.method) and name in (None, hit.set)]
        return {"value": float(len({hit.position for hit in hits})), "n": records}

    names = {"exact": "duplicates", "near": "near_duplicates", "skeleton": "skeleton_excess"}
    metrics = {
        "examples": {"value": float(examples)},
        "accepted_records": {"value": float(records)},
        "removed_records": removed(),
        "removed_duplicates": removed("exact", WITHIN),
        "removed_near_duplicates": removed("near", WITHIN),
        "removed_skeleton_excess": removed("skeleton", WITHIN),
    }
    for (method, name), found in left.items():
        metric = names[method] if name == WITHIN else f"{method}_{name}"
        metrics[metric] = {"value": float(len(found)), "n": examples}
        if name != WITHIN:
            metrics[f"removed_{name}"] = removed(name=name)
    return metrics


def overlap_report(
    records: Sequence[dict],
    removals: Sequence[Removal],
    written: Sequence[dict],
    held_out: Sequence[HeldOutSet],
    settings: dict,
) -> dict:
    """Metrics and evidence of a deduplication.

    records: what there was, with `record_id`, `instruction` and `response`; removals: from `select` on them;
    written: the training data as read back, compared anew, so that a zero is measured and not assumed.
    """
    instructions = [row["instruction"] for row in written]
    at_most = settings["skeletons"]["at_most_per_skeleton"]
    left = overlaps(written, held_out, settings)
    within = {**repeats(instructions, settings), "skeleton": excess(instructions, at_most)}
    left |= {(method, WITHIN): found for method, found in within.items()}
    texts = {WITHIN: {row["record_id"]: row["instruction"] for row in records}}
    texts |= {other.name: dict(zip(other.ids, other.texts, strict=True)) for other in held_out}
    return {
        "metrics": _metrics(left, removals, len(records), len(written)),
        "methods": methods(settings),
        "sets": {other.name: describe(other) for other in held_out},
        "counts": _counts(left, removals),
        "examples": _examples(records, removals, texts),
        "removed": [_removed(records[hit.position]["record_id"], hit) for hit in removals],
        "instructions_sha256": hashing.sha256_text(
            hashing.canonical_json(sorted(map(instruction_sha256, instructions)))
        ),
    }


def _counts(left: dict, removals: Sequence[Removal]) -> list[dict]:
    """Records removed and left over, for each set and method."""
    pairs = Counter((removal.method, removal.set) for removal in removals)
    return [
        {"method": method, "set": name, "removed": pairs[method, name], "left": len(found)}
        for (method, name), found in left.items()
    ]


def _removed(record_id: str, hit: Removal) -> dict:
    fields = ("method", "set", "matched", "similarity")
    return {"record_id": record_id, **{field: getattr(hit, field) for field in fields}}


def _examples(records: Sequence[dict], removals: Sequence[Removal], texts: dict) -> list[dict]:
    """For each method and set the removed records that are least alike: where a threshold is judged."""
    groups = {}
    for hit in removals:
        groups.setdefault((hit.method, hit.set), []).append(hit)
    return [
        {
            "method": method,
            "set": name,
            "instruction": records[hit.position]["instruction"],
            "matched": texts[name][hit.matched],
            "similarity": hit.similarity,
        }
        for (method, name), hits in groups.items()
        for hit in sorted(hits, key=lambda hit: (hit.similarity, hit.position))[:EXAMPLES]
    ]
