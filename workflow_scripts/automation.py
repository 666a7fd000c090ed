"""Measure how much of a run went by itself: jobs without help, records nobody edited, minutes, gates.

    python -m workflow_scripts.automation --usage results/usage --gates results/gates/pilot.json ... \\
        --qualities results/pilot/qc.json results/sft_data/qc.json \\
        --edits results/edits/edits.json --labels labels.csv --metrics results/budget/automation.json
"""

import argparse
from pathlib import Path

from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--usage", required=True, help="directory of the usage files of all attempts")
    parser.add_argument("--gates", required=True, nargs="+", type=Path, help="gate files")
    parser.add_argument("--qualities", required=True, nargs=2, type=Path, help="of the pilot, of all records")
    parser.add_argument("--edits", nargs="?", type=Path, help="metrics of the edits, where there are any")
    parser.add_argument("--labels", nargs="?", help="people's labels of answers, where there are any")
    parser.add_argument("--metrics", required=True, help="metrics file to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the metrics, every attempt of every gate, and the checks that records passed."""
    arguments = parse_arguments(argv)
    with job("automation"), guarded(arguments.metrics) as (output,):
        from workflow_scripts.core import automation, usage_files
        from workflow_scripts.core.evaluation.human_labels import NO_MINUTES, label_minutes

        jobs = automation.attempts_by_job(usage_files.read_attempts(arguments.usage))
        gates = {path.stem: read_json(path) for path in arguments.gates}
        overridden = {name for name, gate in gates.items() if gate["override"] and gate["decision"] != "pass"}
        pilot, generation = map(read_json, arguments.qualities)
        edits = read_json(arguments.edits)["metrics"] if arguments.edits else None
        labels = label_minutes(arguments.labels) if arguments.labels else NO_MINUTES
        records = int(generation["metrics"]["records"]["value"])
        rows = automation.gate_attempts(jobs)
        metrics = automation.metrics(jobs, overridden, records, edits, labels)
        content = {
            "stage": "automation",
            "metrics": metrics,
            "gate_attempts": rows,
            "pass_rates": automation.pass_rates(rows),
            "record_checks": automation.record_checks({"pilot": pilot, "generation": generation}),
        }
        write_json(output, content)
        alone, minutes = metrics["jobs_without_help_rate"], metrics["human_minutes"]["value"]
        share = "unknown" if alone["value"] is None else f"{alone['value']:.1%} of {alone['n']}"
        say(f"automation: jobs without help {share}, {minutes:g} human minutes")


if __name__ == "__main__":
    main()
