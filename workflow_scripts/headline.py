"""Prints the primary comparison in a line, and where to read on.

python -m workflow_scripts.headline --comparisons comparisons.json --pages summary.html
"""

import argparse
import json
from pathlib import Path


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--comparisons", type=Path, required=True, help="comparisons.json of the run")
    parser.add_argument("--pages", type=Path, nargs="+", default=[], help="pages to point to")
    return parser.parse_args(argv)


def headline(comparison: dict, alpha: float) -> str:
    """One line for one comparison: both rates, the difference with its interval, the primary p-value."""
    before, after = comparison["baseline_rate"]["estimate"], comparison["candidate_rate"]["estimate"]
    difference = comparison["difference"]
    low, high = difference["newcombe"]
    p_value = comparison["mcnemar"]["mid_p"]
    verdict = "an improvement" if p_value < alpha and difference["estimate"] > 0 else "no improvement shown"
    rates = f"{comparison['baseline']} {before:.1%} -> {comparison['candidate']} {after:.1%}"
    return (
        f"{rates} of {comparison['n']} items:"
        f" {100 * difference['estimate']:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}],"
        f" McNemar mid-p {p_value:.2g}: {verdict} at {alpha:g}"
    )


def main(argv=None) -> None:
    """Prints one line per overall comparison with the first (the primary) marked, then the pages."""
    arguments = parse_arguments(argv)
    result = json.loads(arguments.comparisons.read_text(encoding="utf-8"))
    overall = [entry for entry in result["comparisons"] if entry["scope"] == "overall"]
    for place, comparison in enumerate(overall):
        print("primary:" if place == 0 else "        ", headline(comparison, result["alpha"]))
    for page in arguments.pages:
        print(f"Open {page}")


if __name__ == "__main__":
    main()
