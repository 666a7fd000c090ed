"""Judges metrics files against a gate's criteria, writes the decision, and fails unless the run may go on.

python -m workflow_scripts.gate --settings '{"gate": {"name": "pilot", "criteria":
    {"runaway_rate": {"below": 0.05}}, "override": null}}' --metrics results/pilot/qc.json
    --decision results/gates/pilot.json
"""

import argparse
import json
import sys
from pathlib import Path

from workflow_scripts.core import gate_messages, gates, usage
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line; `--record-only` writes a decision that stops nothing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"gate": {"name", "criteria", "override"}}')
    parser.add_argument("--metrics", nargs="+", required=True, help="metrics files (JSON)")
    parser.add_argument("--decision", required=True, help="gate file to write (JSON)")
    parser.add_argument("--record-only", action="store_true", help="write the decision and never fail")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Writes the decision, prints it, and exits with 1 where the run must not go on."""
    arguments = parse_arguments(argv)
    with job(f"gate {Path(arguments.decision).stem}"):
        settings = json.loads(arguments.settings)["gate"]
        folder = Path(arguments.decision).parent
        override = settings.get("override")
        decision = gates.judge(settings["name"], settings["criteria"], override, arguments.metrics, folder)
        with guarded(arguments.decision) as (temporary,):
            write_json(temporary, decision)
        held = [criterion["decision"] == "pass" for criterion in decision["criteria"]]
        usage.count(criteria=len(held), criteria_that_hold=sum(held))
        say(gate_messages.message(decision, folder))
        if not decision["proceeds"] and not arguments.record_only:
            sys.exit(1)


if __name__ == "__main__":
    main()
