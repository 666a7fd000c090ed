"""Measures what the embedded base does, on dev and calibration items, for its model card.

    python -m workflow_scripts.demo_measure --settings '{"measure": {...}}' --model MODEL_DIRECTORY \\
        --tasks microworld.yaml --exemplars exemplars.yaml --constitution constitution.yaml \\
        --prompts config/prompts --measured measured.json
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core import runtime
from workflow_scripts.core.constitution import load_constitution


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line: paths of the inputs and of the output, and the settings as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="measure")
    parser.add_argument("--model", required=True, help="model directory")
    parser.add_argument("--tasks", required=True, help="task families (YAML)")
    parser.add_argument("--exemplars", required=True, help="exemplars (YAML)")
    parser.add_argument("--constitution", required=True, help="principles (YAML)")
    parser.add_argument("--prompts", required=True, help="directory of the prompt templates")
    parser.add_argument("--measured", required=True, help="what was measured, to write (JSON)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Measure and write."""
    arguments = parse_arguments(argv)
    with runtime.job("demo_measure"):
        from workflow_scripts.core import demo_behaviour, hashing, prompts
        from workflow_scripts.core.engines.loading import load_engine
        from workflow_scripts.core.exemplars import load_exemplars
        from workflow_scripts.core.outputs import guarded, write_json
        from workflow_scripts.core.task_splits import draw_splits
        from workflow_scripts.core.tasks import load_tasks

        settings = arguments.settings["measure"]
        tasks = load_tasks(arguments.tasks)
        items = draw_splits(tasks, settings["sizes"], settings["items_seed"])
        splits = {name: [item for item in items if item["split"] == name] for name in ("dev", "calibration")}
        names = demo_behaviour.Prompts.__dataclass_fields__
        templates = demo_behaviour.Prompts(
            **{name: prompts.load_template(Path(arguments.prompts) / f"{name}.j2") for name in names}
        )
        engine_settings = {
            "backend": "transformers",
            "dtype": "float32",
            "batch_size": 64,
            "device": "cpu",
        }
        engine = load_engine(engine_settings, arguments.model)
        principles = load_constitution(arguments.constitution)
        with guarded(arguments.measured) as (measured,):
            report = demo_behaviour.measure(
                engine, templates, tasks, load_exemplars(arguments.exemplars), principles, splits, settings
            )
            report["weights_sha256"] = hashing.sha256_weights(arguments.model)
            write_json(measured, report)


if __name__ == "__main__":
    main()
