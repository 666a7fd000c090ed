"""Looks at this machine before money is spent: GPU, driver, memory, disk, volume, model, token, price.

    python -m workflow_scripts.preflight --settings '{"base_model": ..., "dpo": ...}' \\
        --plan results/budget/plan.json --catalogue config/gpus.yaml --results results \\
        --environments /opt/cai-bootstrap/environments --report results/smoke/preflight.json

Prints one line for each check. Where one fails nothing is written and the exit status is 1.
"""

import argparse
import json
import sys
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="slices base_model and dpo")
    parser.add_argument("--plan", required=True, help="budget/plan.json")
    parser.add_argument("--catalogue", required=True, help="GPU catalogue (YAML)")
    parser.add_argument("--results", required=True, type=Path, help="directory of the results")
    parser.add_argument("--environments", type=Path, help="where conda environments go, if the run uses them")
    parser.add_argument("--report", required=True, help="what was found (JSON), when nothing is refused")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Run every check; refuse with one line for each that fails."""
    arguments = parse_arguments(argv)
    with job("preflight"):
        from workflow_scripts.core import preflight, preflight_storage
        from workflow_scripts.core.budget.catalogue import load_catalogue

        plan = read_json(arguments.plan)
        catalogue = load_catalogue(arguments.catalogue)
        situation = preflight.Situation(
            arguments.settings, plan, catalogue, arguments.results, arguments.environments
        )
        found, refused, download = {}, 0, 0.0

        def model(situation):
            nonlocal download
            line, download = preflight.check_model(situation)
            return line

        checks = {
            "GPU": preflight.check_gpu,
            "memory": preflight.check_memory,
            "conda": preflight_storage.check_conda,
            "model": model,
            "disk": lambda situation: preflight_storage.check_disk(situation, download),
            "volume": preflight_storage.check_volume,
            "price": preflight.check_price,
        }
        for name, check in checks.items():
            try:
                found[name] = check(situation)
                say(f"preflight: {name}: {found[name]}")
            except InputError as error:
                refused += 1
                say(f"preflight: refused: {error}")
        if refused:
            sys.exit(1)
        with guarded(arguments.report) as (output,):
            write_json(output, {"stage": "preflight", "found": found})


if __name__ == "__main__":
    main()
