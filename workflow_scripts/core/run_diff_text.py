"""The difference between two runs as lines for a terminal."""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from workflow_scripts.core.budget.tables import aligned

MOST = 20  # rows of a section
DIGEST = 12  # characters of a digest that are shown
WIDEST = 44


def _shown(value) -> str:
    text = value[:DIGEST] if isinstance(value, str) and len(value) == 64 else str(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def _section(title: str, rows: list[dict], key: str) -> Iterator[str]:
    if rows:
        yield f"{title}: {len(rows)}"
        table = [(_shown(row[key]), _shown(row["a"]), _shown(row["b"])) for row in rows[:MOST]]
        yield from (f"  {line}" for line in aligned([(key, "A", "B"), *table]))
        if len(rows) > MOST:
            yield f"  and {len(rows) - MOST} more (--json has all)"


def _records(entry: dict) -> str:
    records = entry["records"]
    return f"{entry['bytes']:,} bytes" if records is None else f"{records:,} records"


def data_lines(data: dict) -> Iterator[str]:
    """Files by folder: how many differ; then those with their sizes, and those that one side alone has."""
    different, same = data["different"], data["same"]
    if data["measured"]:
        yield f"measured otherwise (times, dollars): {', '.join(data['measured'])}"
    if not (different or data["only_a"] or data["only_b"]):
        yield f"data: no difference in {same} files"
        return
    yield f"data: {len(different)} files differ, {same} are equal"
    folders = Counter(str(PurePosixPath(row["file"]).parent) for row in different)
    table = [(folder, str(count)) for folder, count in sorted(folders.items())]
    yield from (f"  {line}" for line in aligned([("folder", "differ"), *table])) if table else ()
    sizes = [
        (row["file"], _records(row["a"]), _records(row["b"]))
        for row in different
        if row["file"].endswith(".parquet") and "/models/" not in row["file"]
    ]
    yield from (f"  {line}" for line in aligned([("records", "A", "B"), *sizes[:MOST]])) if sizes else ()
    for side in ("a", "b"):
        names = data[f"only_{side}"]
        if names:
            shown = ", ".join(names[:4]) + (" ..." if names[4:] else "")
            yield f"  only {side.upper()} has {len(names)}: {shown}"


def outcome_lines(outcome: dict | None) -> Iterator[str]:
    """One line per arm: success in both, and the paired difference with interval and p-value."""
    if outcome is None:
        yield "outcome: compared where both are folders of results"
        return
    if not outcome["arms"]:
        yield "outcome: no arm was scored in both"
        return
    yield f"outcome: B less A, paired by item, {outcome['confidence']:.0%} intervals (Newcombe)"
    rows = [("arm", "items", "A", "B", "difference", "interval", "A only", "B only", "mid-p", "adjusted p")]
    for row in outcome["arms"]:
        start = (row["arm"], str(row["a"]["n"]), f"{row['a']['success']:.1%}", f"{row['b']['success']:.1%}")
        if not row["same_items"]:
            items = f"other items ({row['common_items']} of {row['a']['n']} and {row['b']['n']} in both)"
            rows.append((*start, items, "", "", "", "", ""))
            continue
        entry = row["comparison"]
        low, high = entry["difference"]["newcombe"]
        numbers = (
            f"{100 * entry['difference']['estimate']:+.1f} points",
            f"[{100 * low:+.1f}, {100 * high:+.1f}]",
            str(entry["only_baseline"]),
            str(entry["only_candidate"]),
            f"{entry['mcnemar']['mid_p']:.2g}",
            f"{entry['adjusted_p']:.2g}",
        )
        rows.append((*start, *numbers))
    yield from (f"  {line}" for line in aligned(rows))
    yield from _section("gates", outcome["gates"], "gate")


def lines(document: dict) -> Iterator[str]:
    """The whole difference."""
    yield f"A: {document['a']}"
    yield f"B: {document['b']}"
    if document["same"]:
        yield "no difference"
    for title, section, key in (
        ("config", document["config"], "field"),
        ("code, by rule", document["code"]["rules"], "rule"),
        ("commit", document["code"]["commit"], "name"),
        ("environments, by rule", document["environment"]["rules"], "rule"),
        ("packages", document["environment"]["packages"], "package"),
        ("machine", document["environment"]["machine"], "name"),
    ):
        yield from _section(title, section, key)
    yield from data_lines(document["data"])
    yield from outcome_lines(document["outcome"])
    yield from document["notes"]
