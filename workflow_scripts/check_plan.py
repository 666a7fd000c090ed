"""Checks a written plan: its lines against its total, its GPUs against each other and against the cap.

    python -m workflow_scripts.check_plan --plan config/plans/written_300.yaml --catalogue config/gpus.yaml

The memory of each GPU is held against the catalogue's reference model. Ends with an error when the lines do
not add up to the total.
"""

import argparse

from workflow_scripts.core.budget.catalogue import load_catalogue
from workflow_scripts.core.budget.ranges import total
from workflow_scripts.core.budget.tables import aligned
from workflow_scripts.core.budget.written_plan import judge_gpus, read_written_plan
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plan", required=True, help="the plan (YAML)")
    parser.add_argument("--catalogue", required=True, help="GPU catalogue (YAML), for the model's sizes")
    return parser.parse_args(argv)


def verdict(entry: dict, precision: str) -> str:
    """What speaks against a GPU, or that nothing does."""
    found = [f"dominated by {', '.join(entry['dominated_by'])}"] if entry["dominated_by"] else []
    found += ["over the cap at its upper end"] if entry["over_cap"] else []
    found += [] if entry["holds_model"] else [f"does not hold the model in {precision}"]
    return "; ".join(found) or "holds"


def main(argv=None) -> None:
    """Prints the GPUs' table and the sum of the lines; fails when the stated total is another."""
    arguments = parse_arguments(argv)
    with job("check_plan"):
        plan = read_written_plan(arguments.plan)
        catalogue = load_catalogue(arguments.catalogue)
        rows = [("GPU", "hours", "dollars", "verdict")]
        for entry in judge_gpus(plan, catalogue.shape):
            hours, dollars = entry["hours"], entry["dollars"]
            spent = f"{dollars['low']:.2f} to {dollars['high']:.2f}"
            words = verdict(entry, plan.precision)
            rows.append((entry["name"], f"{hours['low']:g} to {hours['high']:g}", spent, words))
        for line in aligned(rows):
            say(line)
        summed = total(plan.lines.values())
        stated = f"{plan.total.low:g} to {plan.total.high:g}"
        say(f"lines: {summed.low:g} to {summed.high:g} h; stated: {stated} h")
        plan.check_total()


if __name__ == "__main__":
    main()
