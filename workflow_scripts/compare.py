"""Compares arms that answered the identical items: paired tests and intervals, overall and per type.

    python -m workflow_scripts.compare --scores base.jsonl tuned.jsonl --comparisons comparisons.json

A file holds one arm, JSONL or Parquet, with `item_id`, `type`, `success` and, optional, `cluster` and
`arm`. Without settings the first file is the baseline of each other one. With a registration, what was done
otherwise than registered is listed.
"""

import argparse
from dataclasses import asdict

from workflow_scripts.core import preregistration
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.scored_arms import ScoredArm, read_scored_arms
from workflow_scripts.core.evaluation.settings import analysis_of, read_settings
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say
from workflow_scripts.core.statistics.analysis import Analysis
from workflow_scripts.core.statistics.comparisons import adjust, compare_pair

EXAMPLE = '{"statistics": {"alpha": 0.05, "primary": ["base", "sft"], "comparisons": [["base", "sft"]]}}'
FAMILIES = {
    "primary": "not adjusted: its adjusted_p is its mid_p, judged at alpha",
    "secondary": "the other comparisons over all items, adjusted together",
    "type": "the types of one comparison, adjusted together",
    "methods": "holm is judged at alpha, bh (Benjamini-Hochberg) at fdr",
}


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scores", nargs="+", required=True, help="scored files, one per arm, two or more")
    parser.add_argument("--comparisons", required=True, help="comparisons to write (JSON)")
    parser.add_argument("--settings", default="{}", help=f"JSON, such as {EXAMPLE}")
    parser.add_argument("--registration", help="what preregister wrote, to list deviations from it")
    return parser.parse_args(argv)


def wanted_pairs(settings: dict, arms: dict[str, ScoredArm]) -> list[tuple[str, str]]:
    """The pairs asked for, or the first arm as the baseline of each other. InputError for unknown arms."""
    names = list(arms)
    pairs = settings.get("comparisons", [(names[0], name) for name in names[1:]])
    for pair in pairs:
        if any(name not in arms for name in pair) or pairs.count(pair) > 1:
            remedy = f"name each pair once, of the arms {', '.join(names)}"
            raise InputError(field="statistics.comparisons", value=list(pair), remedy=remedy)
    if not pairs:
        raise InputError(field="statistics.comparisons", value=[], remedy="name a pair of arms to compare")
    primary = settings.get("primary")
    if primary is not None and primary not in pairs:
        remedy = "it is not among the comparisons: compare these arms too"
        raise InputError(field="statistics.primary", value=list(primary), remedy=remedy)
    return pairs


def compare_arms(arms: dict[str, ScoredArm], pairs, primary, analysis: Analysis) -> dict:
    """The whole file but for the registration: every comparison, and what is needed to repeat it."""
    first = next(iter(arms.values()))
    entries = []
    for baseline, candidate in pairs:
        outcomes = arms[baseline].success, arms[candidate].success
        entries += compare_pair((baseline, candidate), *outcomes, first.types, first.clusters, analysis)
    adjust(entries, primary, analysis)
    return {
        **asdict(analysis),
        "test": preregistration.TEST,
        "families": FAMILIES,
        "clusters": None if first.clusters is None else len(set(first.clusters.tolist())),
        "arms": {
            name: {"n": len(arm.success), "successes": int(arm.success.sum()), "sha256": arm.sha256()}
            for name, arm in arms.items()
        },
        "comparisons": entries,
    }


def held_against(registration, arms: dict[str, ScoredArm], pairs, primary, analysis: Analysis) -> dict:
    """What was registered and what was done otherwise, from a registration's file."""
    document = preregistration.read_registration(registration)
    first = next(iter(arms.values()))
    items = preregistration.describe_items(first.item_ids, first.types, first.clusters)
    used = preregistration.make_plan(analysis, primary, pairs, items)
    return preregistration.compared_with(document, used)


def report(result: dict) -> None:
    """Prints one line per comparison and one per deviation."""
    for entry in result["comparisons"]:
        estimate, (low, high) = entry["difference"]["estimate"], entry["difference"]["newcombe"]
        say(
            f"{entry['baseline']} -> {entry['candidate']}, {entry['scope']}: n = {entry['n']},"
            f" {estimate:+.4f} [{low:+.4f}, {high:+.4f}], adjusted p = {entry['adjusted_p']:.3g}"
        )
    for entry in result.get("registration", {}).get("deviations", []):
        touches = "the primary endpoint" if entry["primary"] else "secondary analyses"
        say(f"DEVIATION in {touches}, {entry['field']}: {entry['registered']} -> {entry['used']}")


def main(argv=None) -> None:
    """Reads all arms, compares, and writes one JSON file."""
    arguments = parse_arguments(argv)
    with job("compare"):
        settings = read_settings(arguments.settings)
        arms = read_scored_arms(arguments.scores)
        pairs, primary = wanted_pairs(settings, arms), settings.get("primary")
        analysis = analysis_of(settings)
        with guarded(arguments.comparisons) as (temporary,):
            result = compare_arms(arms, pairs, primary, analysis)
            if arguments.registration:
                result["registration"] = held_against(arguments.registration, arms, pairs, primary, analysis)
            write_json(temporary, result)
        report(result)


if __name__ == "__main__":
    main()
