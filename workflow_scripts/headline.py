"""Prints a run's comparisons, the primary one first, what left the plan, the verdict, and where to read on.

python -m workflow_scripts.headline --comparisons results/statistics/comparisons.json \\
    --claim results/gates/claim.json --pages reports/summary.html
"""

import argparse
from pathlib import Path

from workflow_scripts.core.json_files import read_json


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command-line arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--comparisons", type=Path, required=True, help="comparisons.json of the run")
    parser.add_argument("--claim", type=Path, required=True, help="the claim gate's decision")
    parser.add_argument("--pages", type=Path, nargs="+", default=[], help="pages to point to")
    return parser.parse_args(argv)


def headline(comparison: dict) -> str:
    """One line for one comparison: both rates, the difference with its interval, the primary p-value."""
    before, after = comparison["baseline_rate"]["estimate"], comparison["candidate_rate"]["estimate"]
    difference = comparison["difference"]
    low, high = difference["newcombe"]
    return (
        f"{comparison['baseline']} {before:.1%} -> {comparison['candidate']} {after:.1%}"
        f" of {comparison['n']} items:"
        f" {100 * difference['estimate']:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}],"
        f" McNemar mid-p {comparison['mcnemar']['mid_p']:.2g}"
    )


def verdict(claim: dict) -> str:
    """The claim gate's decision, with every criterion that was missed."""
    missed = [entry for entry in claim["criteria"] if entry["decision"] != "pass"]
    reasons = "; ".join(f"measured {entry['measured']}, asked {entry['rule']}" for entry in missed)
    return f"claim gate: {claim['decision']}" + (f" ({reasons})" if missed else "")


def registration(found: dict) -> str:
    """Whether the comparisons are those that were registered, with every field that is not."""
    fields = [entry["field"] + (" (primary)" if entry["primary"] else "") for entry in found["deviations"]]
    return f"registered plan {found['sha256'][:12]}: " + (
        f"deviations in {', '.join(fields)}" if fields else "no deviation"
    )


def main(argv=None) -> None:
    """Prints one line per overall comparison with the first (the primary) marked, then what they rest on."""
    arguments = parse_arguments(argv)
    document = read_json(arguments.comparisons)
    overall = [entry for entry in document["comparisons"] if entry["scope"] == "overall"]
    for place, comparison in enumerate(overall):
        print("primary:" if place == 0 else "        ", headline(comparison))
    if "registration" in document:
        print(registration(document["registration"]))
    print(verdict(read_json(arguments.claim)))
    for page in arguments.pages:
        print(f"Open {page}")


if __name__ == "__main__":
    main()
