"""Plans what a run costs, before it spends: hours and dollars by stage, which GPU, and what a budget buys.

    python -m workflow_scripts.plan_budget --settings '{"budget": ..., "generation": ..., ...}' \\
        --catalogue config/gpus.yaml --model-config resources/demo_base/config.json \\
        --exemplars config/exemplars.yaml --constitution config/constitution.yaml \\
        --completion-template completion.j2 --raw-template raw.j2 --instructions-template instructions.j2 \\
        --answers-template answers.j2 --critic-template critic.j2 \\
        --plan results/budget/plan.json --figure results/budget/frontier.svg

The settings are the slices budget, test_set, generation, sft, sft_longer, preferences, dpo, evaluation and
statistics of the configuration. Without --model-config the model's sizes are those of `budget.model`. Rates
are the catalogue's, or measured ones where --benchmarks names benchmark files of an earlier run.
"""

import argparse
import json

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say

TEMPLATES = ("completion", "raw", "instructions", "answers", "critic")


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help="JSON: slices of the configuration")
    parser.add_argument("--catalogue", required=True, help="GPU catalogue (YAML)")
    parser.add_argument("--model-config", help="the model's config.json")
    parser.add_argument("--exemplars", required=True, help="hand-written exemplars")
    parser.add_argument("--constitution", required=True, help="the critic's principles")
    for name in TEMPLATES:
        parser.add_argument(f"--{name}-template", required=True, help=f"prompt template: {name}")
    parser.add_argument("--benchmarks", nargs="*", default=[], help="benchmark files of an earlier run")
    parser.add_argument("--plan", required=True, help="plan to write (JSON)")
    parser.add_argument("--figure", required=True, help="figure to write (SVG)")
    return parser.parse_args(argv)


def read_model_shape(model_config: str | None, sizes: dict | None):
    """The model's shape from its config.json, or from `budget.model`. InputError when there is neither."""
    from workflow_scripts.core.memory.shapes import read_shape, shape_of

    if model_config:
        return read_shape(model_config)
    if sizes is None:
        remedy = "the model is not on this machine: give the sizes of its config.json"
        raise InputError(file="config", field="budget.model", value=None, remedy=remedy)
    return shape_of(sizes, "config: budget.model")


def main(argv=None) -> None:
    """Reads the configuration's slices and writes plan and figure; prints the plan as a table."""
    arguments = parse_arguments(argv)
    with job("plan_budget"):
        from workflow_scripts.core import prompts
        from workflow_scripts.core.budget import figure, planner, tables
        from workflow_scripts.core.budget.catalogue import load_catalogue
        from workflow_scripts.core.budget.lengths import prompt_lengths
        from workflow_scripts.core.budget.plan import make_plan
        from workflow_scripts.core.budget.settings import read_budget
        from workflow_scripts.core.critic import load_constitution
        from workflow_scripts.core.exemplars import load_exemplars

        settings = json.loads(arguments.settings)
        budget = read_budget(settings["budget"])
        lengths = prompt_lengths(
            {name: prompts.load_template(getattr(arguments, f"{name}_template")) for name in TEMPLATES},
            load_exemplars(arguments.exemplars),
            [principle.question for principle in load_constitution(arguments.constitution)],
            {kind: settings["generation"][kind]["shots"] for kind in ("instruction", "answer")},
            budget.estimates,
        )
        planned = planner.Planner(
            settings=settings,
            budget=budget,
            shape=read_model_shape(arguments.model_config, settings["budget"]["model"]),
            lengths=lengths,
            catalogue=load_catalogue(arguments.catalogue),
            measured={},
        )
        plan = make_plan(planner.with_measurements(planned, arguments.benchmarks))
        with guarded(arguments.plan, arguments.figure) as (plan_path, figure_path):
            write_json(plan_path, plan)
            figure_path.write_text(figure.frontier_svg(plan), encoding="utf-8")
        for line in tables.plan_lines(plan):
            say(line)


if __name__ == "__main__":
    main()
