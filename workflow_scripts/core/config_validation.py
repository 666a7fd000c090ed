"""Refuses a wrong configuration before any job starts, with the field, its value and the remedy."""

import difflib
from pathlib import Path

import jinja2
import jsonschema
import yaml
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import SandboxedEnvironment

from workflow_scripts.core import task_splits, tasks
from workflow_scripts.core.budget.catalogue import load_catalogue
from workflow_scripts.core.budget.settings import read_budget
from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.exemplars import load_exemplars
from workflow_scripts.core.guidance import load_guidance
from workflow_scripts.core.model_files import inspect_base
from workflow_scripts.core.sentinels.battery import load_sentinels

SOURCE = "config"
SCHEMA = "config/schemas/config.schema.yaml"
TEMPLATE_VARIABLES = {
    "completion": {"instruction"},
    "raw": {"instruction"},
    "instructions": {"exemplars"},
    "answers": {"exemplars", "instruction"},
    "critic": {"instruction", "response", "principle", "first", "second"},
}
GUIDANCE_VARIABLES = {"topic", "verb", "avoid"}  # of the template of instructions, where these are guided


def refuse(field: str, value, remedy: str):
    """Raises the InputError of one field of the configuration."""
    raise InputError(file=SOURCE, field=field, value=value, remedy=remedy)


def _is_number_as_text(value) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)


def _unknown_key(error: jsonschema.ValidationError, field: str):
    known = error.schema.get("properties", {})
    key = next(key for key in error.instance if key not in known)
    near = difflib.get_close_matches(key, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"remove it; known here: {', '.join(known)}"
    refuse(f"{field}.{key}".lstrip("."), None, f"unknown key: {remedy}")


def check_schema(config: dict, schema: dict) -> None:
    """Raises an InputError for the first thing in the configuration that the JSON schema refuses."""
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(config))
    if error is None:
        return
    field = ".".join(str(part) for part in error.absolute_path)
    wanted = error.validator_value
    if error.validator == "additionalProperties":
        _unknown_key(error, field)
    if error.validator == "required":
        missing = next(key for key in wanted if key not in error.instance)
        refuse(f"{field}.{missing}".lstrip("."), None, "this key is missing: add it")
    if error.validator == "type" and _is_number_as_text(error.instance):
        number = float(error.instance)
        text = f"{number:.1e}" if "e" in error.instance else f"{number:g}"
        remedy = f"this is text, give a number: {text} (YAML reads 1e-5 as text, 1.0e-5 as a number)"
        refuse(field, error.instance, remedy)
    refuse(field, error.instance, f"{error.message}; {error.schema.get('description', 'see ' + SCHEMA)}")


def _check_text(field: str, path: Path) -> None:
    """Whether a data file is text, and YAML where its name says so."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix in (".yaml", ".yml"):
            yaml.load(text, Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        refuse(field, str(path), f"byte {error.start} is no UTF-8: save the file as UTF-8")
    except yaml.YAMLError as error:
        refuse(field, str(path), f"this is no valid YAML: {' '.join(str(error).split())}: correct it")


def _check_contents(config: dict, root: Path) -> None:
    """Whether exemplars, guidance and edits are what they must be: each reader names what is not."""
    exemplars = load_exemplars(root / config["exemplars"])
    load_constitution(root / config["constitution"])
    guidance = config["generation"]["instruction"]["guidance"]
    if guidance is not None:
        load_guidance(root / guidance["lists"])
    if config["generation"]["edits"] is not None:
        # Imported where it is used: the checks that an edit must pass take a second to import.
        from workflow_scripts.core.edits import read_edits

        read_edits(root / config["generation"]["edits"])
    for kind in ("instruction", "answer"):
        shots = config["generation"][kind]["shots"]
        if shots > len(exemplars):
            remedy = f"there are {len(exemplars)} exemplars: ask for fewer, or add some"
            refuse(f"generation.{kind}.shots", shots, remedy)


def _check_files(config: dict, root: Path) -> None:
    files = ("tasks", "constitution", "exemplars", "sentinels", "detector_examples")
    named = {name: config[name] for name in files}
    if config["base_model"]["recorded_rates"] is not None:
        named["base_model.recorded_rates"] = config["base_model"]["recorded_rates"]
    named |= {f"prompts.{name}": path for name, path in config["prompts"].items()}
    if config["evaluation"]["labels"] is not None:
        named["evaluation.labels"] = config["evaluation"]["labels"]
    if config["generation"]["edits"] is not None:
        named["generation.edits"] = config["generation"]["edits"]
    guidance = config["generation"]["instruction"]["guidance"]
    if guidance is not None:
        named["generation.instruction.guidance.lists"] = guidance["lists"]
    for field, path in named.items():
        if not (root / path).is_file():
            refuse(field, path, "this file does not exist: correct the path (relative to the repository)")
        _check_text(field, root / path)


def _check_base_model(base: dict, root: Path) -> None:
    path, repo = base["path"], base["repo"]
    if (path is None) == (repo is None):
        refuse(
            "base_model",
            {"path": path, "repo": repo},
            "give exactly one of path and repo, and null for the other",
        )
    if repo is not None:
        if base["revision"] is None:
            refuse("base_model.revision", None, "pin the repository: give the commit's 40 hexadecimal digits")
        return
    try:
        inspect_base(root / path, accept_chat_template=base["accept_chat_template"])
    except InputError as error:
        refuse("base_model.path", path, error.remedy)


def _check_sentinels(path: str, root: Path) -> None:
    try:
        load_sentinels(root / path)
    except InputError as error:
        refuse("sentinels", path, f"{error.field} = {error.value!r}: {error.remedy}")


def _check_prompts(config: dict, root: Path) -> None:
    environment = SandboxedEnvironment()
    variables = dict(TEMPLATE_VARIABLES)
    if config["generation"]["instruction"]["guidance"] is not None:
        variables["instructions"] = variables["instructions"] | GUIDANCE_VARIABLES
    for name, path in config["prompts"].items():
        field = f"prompts.{name}"
        try:
            used = find_undeclared_variables(environment.parse((root / path).read_text(encoding="utf-8")))
        except jinja2.TemplateSyntaxError as error:
            refuse(field, path, f"line {error.lineno}: {error.message}: correct the template")
        known = variables[name]
        if used - known:
            listed = ", ".join(sorted(known))
            refuse(
                field,
                path,
                f"undefined variable {', '.join(sorted(used - known))}: this template may use {listed}",
            )
        if known - used:
            refuse(field, path, f"the template does not use {', '.join(sorted(known - used))}: it must")


def _check_sizes(config: dict, root: Path) -> None:
    """Whether the tasks have enough distinct held-out items for all splits together."""
    source = tasks.load_tasks(root / config["tasks"])
    sizes = config["test_set"]["sizes"]
    try:
        task_splits.type_sizes(source, sizes)
    except InputError as error:
        refuse("test_set.sizes", sizes, f"{config['tasks']}: {error.field} = {error.value}: {error.remedy}")


def _check_budget(budget: dict, root: Path) -> None:
    """Whether the plan can be made: bounds in order, a sound catalogue, and a GPU that it has."""
    planned = read_budget(budget)
    if not (root / budget["catalogue"]).is_file():
        refuse("budget.catalogue", budget["catalogue"], "this file does not exist: correct the path")
    catalogue = load_catalogue(root / budget["catalogue"])
    if planned.gpu not in catalogue.gpus:
        refuse("budget.gpu", planned.gpu, f"the catalogue has {', '.join(catalogue.gpus)}")
    measured = budget["benchmarks"]
    if measured is None:
        return
    if measured["gpu"] not in catalogue.gpus:
        refuse("budget.benchmarks.gpu", measured["gpu"], f"the catalogue has {', '.join(catalogue.gpus)}")
    if not any((root / measured["directory"]).glob("*.jsonl")):
        remedy = "no benchmark file is there: name the benchmarks directory of a finished run"
        refuse("budget.benchmarks.directory", measured["directory"], remedy)


def _check_names(config: dict) -> None:
    """Whether everything that is referred to by name exists."""
    sets, variants = config["preferences"]["sets"], config["dpo"]["variants"]
    pool = config["preferences"]["candidates"]
    for name, entry in sets.items():
        if entry["candidates"] > pool:
            remedy = f"preferences.candidates is {pool}: sample more, or use fewer"
            refuse(f"preferences.sets.{name}.candidates", entry["candidates"], remedy)
    for name, entry in variants.items():
        if entry["pair_set"] not in sets:
            refuse(
                f"dpo.variants.{name}.pair_set", entry["pair_set"], f"preferences.sets has {', '.join(sets)}"
            )
    if config["sft_longer"]["steps_of"] not in variants:
        refuse(
            "sft_longer.steps_of", config["sft_longer"]["steps_of"], f"dpo.variants has {', '.join(variants)}"
        )
    arms = ["base_raw", "base", "sft", "sft-longer", *[f"dpo-{variant}" for variant in variants]]
    for role, arm in config["statistics"]["primary"].items():
        if arm not in arms:
            refuse(f"statistics.primary.{role}", arm, f"the arms are {', '.join(arms)}")
    for gate in config["overrides"]:
        if gate not in config["gates"]:
            refuse(
                f"overrides.{gate}", config["overrides"][gate], f"the gates are {', '.join(config['gates'])}"
            )


def check_config(config: dict, root) -> None:
    """Checks the whole configuration, merged from all files and the command line; `root` is the repository.

    First against the JSON schema, then that files, names and templates fit together and that the test set can
    be filled. Raises InputError for the first problem; changes nothing.
    """
    root = Path(root)
    check_schema(config, yaml.safe_load((root / SCHEMA).read_text(encoding="utf-8")))
    _check_names(config)
    _check_files(config, root)
    _check_base_model(config["base_model"], root)
    _check_sentinels(config["sentinels"], root)
    _check_prompts(config, root)
    _check_contents(config, root)
    _check_budget(config["budget"], root)
    _check_sizes(config, root)
