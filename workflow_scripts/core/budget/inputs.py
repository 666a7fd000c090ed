"""What plans and projections are made from, as a command line names it, read into a planner."""

import argparse
from dataclasses import replace

from workflow_scripts.core import prompts
from workflow_scripts.core.budget.catalogue import load_catalogue
from workflow_scripts.core.budget.lengths import prompt_lengths
from workflow_scripts.core.budget.planner import Planner
from workflow_scripts.core.budget.settings import read_budget
from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.exemplars import load_exemplars
from workflow_scripts.core.memory.shapes import read_shape, shape_of

TEMPLATES = ("completion", "raw", "instructions", "answers", "critic")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that name the inputs of a plan."""
    parser.add_argument("--settings", required=True, help="JSON: slices of the configuration")
    parser.add_argument("--catalogue", required=True, help="GPU catalogue (YAML)")
    parser.add_argument("--model-config", help="the model's config.json")
    parser.add_argument("--exemplars", required=True, help="hand-written exemplars")
    parser.add_argument("--constitution", required=True, help="the critic's principles")
    for name in TEMPLATES:
        parser.add_argument(f"--{name}-template", required=True, help=f"prompt template: {name}")


def read_model_shape(model_config: str | None, sizes: dict | None):
    """The model's shape from its config.json, or from `budget.model`. InputError when there is neither."""
    if model_config:
        return read_shape(model_config)
    if sizes is None:
        remedy = "the model is not on this machine: give the sizes of its config.json"
        raise InputError(file="config", field="budget.model", value=None, remedy=remedy)
    return shape_of(sizes, "config: budget.model")


class Inputs:
    """The files of a plan, read once; prompts can be measured anew under other estimates."""

    def __init__(self, arguments: argparse.Namespace, settings: dict):
        self.settings, self.budget = settings, read_budget(settings["budget"])
        self.templates = {
            name: prompts.load_template(getattr(arguments, f"{name}_template")) for name in TEMPLATES
        }
        self.exemplars = load_exemplars(arguments.exemplars)
        self.questions = [principle.question for principle in load_constitution(arguments.constitution)]
        self.shape = read_model_shape(arguments.model_config, settings["budget"]["model"])
        self.catalogue = load_catalogue(arguments.catalogue)

    def planner(self, **budget) -> Planner:
        """The planner; named values (`estimates`, `accepted`) take the place of the configured ones."""
        changed = replace(self.budget, **budget)
        shots = {kind: self.settings["generation"][kind]["shots"] for kind in ("instruction", "answer")}
        return Planner(
            settings=self.settings,
            budget=changed,
            shape=self.shape,
            lengths=prompt_lengths(self.templates, self.exemplars, self.questions, shots, changed.estimates),
            catalogue=self.catalogue,
            measured={},
        )
