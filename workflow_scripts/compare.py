"""Compares arms that answered the identical items: paired tests and intervals, overall and per type.

    python -m workflow_scripts.compare --scores base.jsonl tuned.jsonl --comparisons comparisons.json

A file holds one arm, JSONL or Parquet, with `item_id`, `type`, `success` and, optional, `cluster` and
`arm`. Without settings the first file is the baseline of each other one.
"""

import argparse
from dataclasses import asdict

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.scored_arms import ScoredArm, read_scored_arms
from workflow_scripts.core.evaluation.settings import analysis_of, read_settings
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say
from workflow_scripts.core.statistics.analysis import Analysis
from workflow_scripts.core.statistics.comparisons import compare_pair

EXAMPLE = '{"statistics": {"alpha": 0.05, "seed": 0, "comparisons": [["base", "sft"]]}}'


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scores", nargs="+", required=True, help="scored files, one per arm, two or more")
    parser.add_argument("--comparisons", required=True, help="comparisons to write (JSON)")
    parser.add_argument("--settings", default="{}", help=f"JSON, such as {EXAMPLE}")
    return parser.parse_args(argv)


def wanted_pairs(pairs: list[tuple[str, str]] | None, arms: dict[str, ScoredArm]) -> list[tuple[str, str]]:
    """The pairs asked for, or the first arm as the baseline of each other. InputError for unknown arms."""
    names = list(arms)
    if pairs is None:
        return [(names[0], name) for name in names[1:]]
    for pair in pairs:
        if any(name not in arms for name in pair) or pairs.count(pair) > 1:
            remedy = f"name each pair once, of the arms {', '.join(names)}"
            raise InputError(field="statistics.comparisons", value=list(pair), remedy=remedy)
    return pairs


def compare_arms(arms: dict[str, ScoredArm], pairs: list[tuple[str, str]], analysis: Analysis) -> dict:
    """The whole file: every comparison, and what is needed to read and to repeat it."""
    first = next(iter(arms.values()))
    entries = []
    for baseline, candidate in pairs:
        outcomes = arms[baseline].success, arms[candidate].success
        entries += compare_pair((baseline, candidate), *outcomes, first.types, first.clusters, analysis)
    return {
        **asdict(analysis),
        "test": "McNemar mid-p, two-sided",
        "adjustment": {
            "overall": "primary endpoint: not adjusted, its adjusted_p is its mid_p, judged at alpha",
            "types": "Benjamini-Hochberg over the types of one comparison, judged at fdr",
        },
        "clusters": None if first.clusters is None else len(set(first.clusters.tolist())),
        "arms": {
            name: {"n": len(arm.success), "successes": int(arm.success.sum()), "sha256": arm.sha256()}
            for name, arm in arms.items()
        },
        "comparisons": entries,
    }


def main(argv=None) -> None:
    """Reads all arms, compares, and writes one JSON file."""
    arguments = parse_arguments(argv)
    with job("compare"):
        settings = read_settings(arguments.settings)
        arms = read_scored_arms(arguments.scores)
        with guarded(arguments.comparisons) as (temporary,):
            pairs = wanted_pairs(settings.get("comparisons"), arms)
            result = compare_arms(arms, pairs, analysis_of(settings))
            write_json(temporary, result)
        for entry in result["comparisons"]:
            estimate, (low, high) = entry["difference"]["estimate"], entry["difference"]["newcombe"]
            say(
                f"{entry['baseline']} -> {entry['candidate']}, {entry['scope']}: n = {entry['n']},"
                f" {estimate:+.4f} [{low:+.4f}, {high:+.4f}], adjusted p = {entry['adjusted_p']:.3g}"
            )


if __name__ == "__main__":
    main()
