"""Registers how the arms will be compared, before the first of them answers a test item.

python -m workflow_scripts.preregister --settings '{"statistics": {"primary": ["base", "dpo-main"],
    "comparisons": [["base", "dpo-main"]], "planned_discordance": {"primary": 0.2}}, "claim": {}}'
    --items results/test_set/test.parquet --responses results/evaluation
    --registration results/statistics/preregistration.json

`--responses` is the folder of `ARM/responses.parquet`: once an arm has answered, an earlier registration is
kept, and a plan that differs is appended as an amendment.
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core import preregistration
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.settings import analysis_of, read_settings
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say
from workflow_scripts.core.schemas import ITEMS, read_records


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"statistics": {...}, "claim": criteria}')
    parser.add_argument("--items", required=True, help="test items")
    parser.add_argument("--responses", required=True, help="folder that the arms' responses go to")
    parser.add_argument("--registration", required=True, help="registration to write or amend (JSON)")
    return parser.parse_args(argv)


def plan_of(settings_text: str, items: list[dict]) -> dict:
    """The plan that the settings describe. InputError for what a plan needs and they lack."""
    settings = read_settings(settings_text)
    discordance = settings.get("planned_discordance", {}).get("primary")
    for field, value in (
        ("primary", settings.get("primary")),
        ("comparisons", settings.get("comparisons")),
        ("planned_discordance.primary", discordance),
    ):
        if not value:
            raise InputError(field=f"statistics.{field}", remedy="a plan needs it: add it to the settings")
    columns = ([item[name] for item in items] for name in ("item_id", "type", "cluster"))
    described = preregistration.describe_items(*columns)
    plan = preregistration.make_plan(
        analysis_of(settings), settings["primary"], settings["comparisons"], described
    )
    return {**plan, "planned_discordance": discordance, "claim": json.loads(settings_text).get("claim")}


def summary(document: dict) -> str:
    """What a person reads in the log: the seal, what the plan can find, and what was amended."""
    first = document["registered"]
    plan, smallest = first["plan"], first["expected"]["minimum_detectable_effect"]
    finds = "no lift" if smallest is None else f"a lift of {100 * smallest:.1f} points"
    lines = [
        f"registered {first['sha256'][:12]}: {' -> '.join(plan['primary'])}, {plan['items']['n']} items,"
        f" {plan['test']}, alpha = {plan['alpha']}; at {plan['planned_discordance']:.0%} planned discordance"
        f" it finds {finds} with power {plan['power']}"
    ]
    lines += [f"late amendment {seal['sha256'][:12]}" for seal in document["amendments"]]
    return "\n".join(lines)


def main(argv=None) -> None:
    """Makes the plan and registers it, or amends what is registered."""
    arguments = parse_arguments(argv)
    with job("preregister"):
        items = read_records(arguments.items, ITEMS)
        plan = plan_of(arguments.settings, items)
        path = Path(arguments.registration)
        earlier = preregistration.read_registration(path) if path.exists() else None
        item_ids = {item["item_id"] for item in items}
        answered = preregistration.arms_with_responses(arguments.responses, item_ids)
        document = preregistration.register(plan, earlier, answered)
        with guarded(path) as (temporary,):
            write_json(temporary, document)
        say(summary(document))


if __name__ == "__main__":
    main()
