"""Judges a projection of a run's cost against its cap: drops optional work first, then stops or pauses.

    CAI_USAGE='{"directory": "results/usage", "dollars_per_hour": 2.69, "cap": 300}' \\
    python -m workflow_scripts.budget_gate --settings '{"gate": ..., "budget": ..., "sft_longer": ...,
        "dropped": []}' --projection results/budget/projection-pilot.json \\
        --judged results/budget/judged-pilot.json --decision results/budget/gate-pilot.json

Price, cap and what is spent by now are read when it judges, and no settings are parameters of its rule: a
raised cap makes nothing anew, and a run that was stopped is judged again. What it judged is kept in --judged.
"""

import argparse
import json
import sys
from pathlib import Path

from workflow_scripts.core import gate_messages, gates
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say
from workflow_scripts.core.usage import read_account
from workflow_scripts.core.usage_files import read_attempts


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help="JSON: gate, budget, sft_longer, dropped")
    parser.add_argument("--projection", required=True, help="the projection (JSON)")
    parser.add_argument("--judged", required=True, help="metrics to write and keep (JSON)")
    parser.add_argument("--decision", required=True, help="gate file to write (JSON)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Writes metrics, what is dropped, and the decision; exits with 1 where the run must not go on."""
    arguments = parse_arguments(argv)
    with job("gate budget"):
        from workflow_scripts.core.budget import dropping, reprojection

        settings, account = json.loads(arguments.settings), read_account()
        projection = read_json(arguments.projection)
        dropped, metrics = reprojection.judged_now(
            projection, read_attempts(account.directory), account, settings
        )
        folder, asked = Path(arguments.decision).parent, settings["gate"]
        with guarded(arguments.judged) as (temporary,):
            write_json(temporary, {"stage": "budget", "metrics": metrics, "newly_dropped": dropped})
        if dropped:
            under = dropping.circumstances(settings["budget"], account.dollars_per_hour)
            dropping.record(folder, under, settings["dropped"] + dropped)
        decision = gates.judge("budget", asked["criteria"], asked["override"], [arguments.judged], folder)
        with guarded(arguments.decision) as (temporary,):
            write_json(temporary, decision)
        say(gate_messages.message(decision, folder))
        if not decision["proceeds"]:
            sys.exit(1)


if __name__ == "__main__":
    main()
