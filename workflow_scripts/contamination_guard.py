"""Renders every prompt that the run will send, and looks for special tokens, chat markers and held-out items.

The same look is taken at prompts wrapped in chat formats on purpose: a guard that is blind to those sees
nothing. It is the look that engines take at every request before it runs.

    python -m workflow_scripts.contamination_guard --settings '{"generation": ...}' \\
        --identity base/model.json --test test.parquet --dev dev.parquet --calibration calibration.parquet \\
        --exemplars exemplars.yaml --constitution constitution.yaml --sentinels sentinels.yaml \\
        --prompts completion.j2 critic.j2 --report base/guard.json
"""

import argparse
import json

from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--settings", required=True, help='JSON: {"generation"} (how many exemplars are shown)'
    )
    parser.add_argument("--identity", required=True, help="base/model.json")
    for split in ("test", "dev", "calibration"):
        parser.add_argument(f"--{split}", required=True, help=f"items of the {split} split")
    parser.add_argument("--exemplars", required=True, help="hand-written exemplars")
    parser.add_argument("--constitution", required=True, help="principles of the critic")
    parser.add_argument("--sentinels", required=True, help="prompts that the base is watched by")
    parser.add_argument("--guidance", nargs="?", help="topics and verbs, where instructions are guided")
    parser.add_argument("--prompts", required=True, nargs="+", help="prompt templates")
    parser.add_argument("--report", required=True, help="report to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the guard's metrics and the evidence for them."""
    arguments = parse_arguments(argv)
    with job("contamination_guard"), guarded(arguments.report) as (output,):
        from workflow_scripts.core import contamination, prompts, schemas
        from workflow_scripts.core.engines.request_audit import RequestAudit
        from workflow_scripts.core.exemplars import load_exemplars
        from workflow_scripts.core.guidance import load_guidance
        from workflow_scripts.core.models import load_tokenizer, resolve_model
        from workflow_scripts.core.sentinels.battery import load_sentinels

        settings = json.loads(arguments.settings)
        splits = {
            split: schemas.read_records(getattr(arguments, split), schemas.ITEMS)
            for split in ("test", "dev", "calibration")
        }
        material = contamination.Material(
            items=[item for rows in splits.values() for item in rows],
            exemplars=load_exemplars(arguments.exemplars),
            principles=load_constitution(arguments.constitution),
            shots=max(
                (part["shots"] for part in settings.get("generation", {}).values() if isinstance(part, dict)),
                default=4,
            ),
            guidance=load_guidance(arguments.guidance) if arguments.guidance else None,
        )
        sentinels = load_sentinels(arguments.sentinels).sentinels
        rendered = {
            path: contamination.rendered_prompts(prompts.load_template(path), material)
            for path in arguments.prompts
        }
        rendered[arguments.sentinels] = [sentinel["prompt"] for sentinel in sentinels]
        audit = RequestAudit(load_tokenizer(resolve_model(arguments.identity)))
        report = contamination.guard_report(audit, rendered, splits, material.exemplars, sentinels)
        metrics = {name: metric["value"] for name, metric in report["metrics"].items()}
        say(f"looked at {report['prompts']} prompts: {metrics}")
        write_json(output, report)


if __name__ == "__main__":
    main()
