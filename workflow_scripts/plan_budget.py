"""Plans what a run costs, before it spends: hours and dollars by stage, which GPU, and what a budget buys.

    python -m workflow_scripts.plan_budget --settings '{"budget": ..., "generation": ..., ...}' \\
        --catalogue config/gpus.yaml --model-config resources/demo_base/config.json \\
        --exemplars config/exemplars.yaml --constitution config/constitution.yaml \\
        --completion-template completion.j2 --raw-template raw.j2 --instructions-template instructions.j2 \\
        --answers-template answers.j2 --critic-template critic.j2 \\
        --plan results/budget/plan.json --figure results/budget/frontier.svg

The settings are the slices budget, test_set, generation, sft, sft_longer, preferences, dpo, evaluation and
statistics of the configuration, and `dropped`, what is left out already. Without --model-config the model's
sizes are those of `budget.model`. Rates are the catalogue's, or measured ones where --benchmarks names
benchmark files of an earlier run. Optional work that the cap cannot pay for, even at the plan's low bound, is
dropped: it goes on record beside the plan.
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    from workflow_scripts.core.budget import inputs

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    inputs.add_arguments(parser)
    parser.add_argument("--benchmarks", nargs="*", default=[], help="benchmark files of an earlier run")
    parser.add_argument("--plan", required=True, help="plan to write (JSON)")
    parser.add_argument("--figure", required=True, help="figure to write (SVG)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads the configuration's slices and writes plan and figure; prints the plan as a table."""
    arguments = parse_arguments(argv)
    with job("plan_budget"):
        from workflow_scripts.core.budget import dropping, figure, planner, tables
        from workflow_scripts.core.budget.inputs import Inputs
        from workflow_scripts.core.budget.plan import make_plan

        settings = {"dropped": [], **json.loads(arguments.settings)}
        planned = Inputs(arguments, settings).planner()
        plan = make_plan(planner.with_measurements(planned, arguments.benchmarks))
        with guarded(arguments.plan, arguments.figure) as (plan_path, figure_path):
            write_json(plan_path, plan)
            figure_path.write_text(figure.frontier_svg(plan), encoding="utf-8")
        under = dropping.circumstances(settings["budget"], plan["gpu"]["dollars_per_hour"])
        dropping.record(Path(arguments.plan).parent, under, plan["dropped"] + plan["newly_dropped"])
        for line in tables.plan_lines(plan):
            say(line)


if __name__ == "__main__":
    main()
