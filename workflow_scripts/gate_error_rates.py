"""States how often the gates on a lift decide wrongly, at given true lifts, for a number of dev items.

python -m workflow_scripts.gate_error_rates --settings '{"gates": {"sft": {"lift": {"bound": "high",
    "at_least": 0.1, "otherwise": "pause"}}}, "n": 600, "confidence": 0.95,
    "planned_discordance": {"sft": 0.15}}' --report results/gates/error_rates.json
"""

import argparse
import json

import numpy as np

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.gate_error_rates import OUTCOMES, gate_error_rates
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say

LIFTS = [round(float(lift), 3) for lift in np.arange(-0.05, 0.2001, 0.025)]
ERRORS = ("false_continue", "false_pause", "false_stop")


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--settings", required=True, help='JSON: {"gates", "n", "confidence", "planned_discordance"}'
    )
    parser.add_argument("--report", required=True, help="error rates to write (JSON)")
    return parser.parse_args(argv)


def table(gate: str, found: dict) -> str:
    """One gate's rows as text, percentages."""
    lines = [
        f"gate {gate}: {found['n']} items, planned discordance {found['planned_discordance']:.0%},"
        f" one-sided bounds at {found['confidence']:.0%}",
        *(f"  asks {criterion}" for criterion in found["criteria"]),
        f"  {'true lift':>9}  {'right':>5}"
        + "".join(f"{name.replace('_', ' '):>16}" for name in (*OUTCOMES, *ERRORS)),
    ]
    for row in found["rows"]:
        shares = "".join(f"{100 * row[name]:>15.1f}%" for name in (*OUTCOMES, *ERRORS))
        lines.append(f"  {100 * row['lift']:>+9.1f}  {row['right']:>5}{shares}")
    return "\n".join(lines)


def report(settings: dict) -> dict:
    """The error rates of every gate, and the largest of each kind as metrics."""
    found = {}
    for gate, criteria in settings["gates"].items():
        discordance = settings["planned_discordance"].get(gate)
        if discordance is None:
            field = f"statistics.planned_discordance.{gate}"
            raise InputError(
                field=field, remedy="plan the share of dev items on which these arms will disagree"
            )
        found[gate] = gate_error_rates(
            gate,
            criteria,
            n=settings["n"],
            discordance=discordance,
            lifts=settings.get("lifts", LIFTS),
            confidence=settings["confidence"],
        )
    metrics = {
        f"{gate}_{name}": {"value": rates["largest"][name], "n": rates["n"]}
        for gate, rates in found.items()
        for name in ERRORS
    }
    return {"stage": "gate_error_rates", "metrics": metrics, "gates": found}


def main(argv=None) -> None:
    """Writes the error rates and prints them as tables."""
    arguments = parse_arguments(argv)
    with job("gate_error_rates"):
        result = report(json.loads(arguments.settings))
        with guarded(arguments.report) as (temporary,):
            write_json(temporary, result)
        for gate, found in result["gates"].items():
            say(table(gate, found))


if __name__ == "__main__":
    main()
