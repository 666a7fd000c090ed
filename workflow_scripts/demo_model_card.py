"""Writes the embedded base's model card; every number in it comes from a file.

    python -m workflow_scripts.demo_model_card --model DIRECTORY --measured measured.json \\
        --training training.json --template card.md.j2 --card README.md
"""

import argparse
from pathlib import Path

from workflow_scripts.core import runtime
from workflow_scripts.core.json_files import read_json


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line: paths of the inputs and of the output."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="model directory")
    parser.add_argument("--measured", required=True, help="what was measured (JSON)")
    parser.add_argument("--training", required=True, help="record of the pretraining (JSON)")
    parser.add_argument("--template", required=True, help="the card as a Jinja2 template")
    parser.add_argument("--card", required=True, help="model card to write (Markdown)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Fill the template; InputError when the measurement is of other weights than the model's."""
    arguments = parse_arguments(argv)
    with runtime.job("demo_model_card"):
        from workflow_scripts.core import hashing, prompts
        from workflow_scripts.core.errors import InputError
        from workflow_scripts.core.outputs import guarded

        measured, training, config = (
            read_json(path)
            for path in (arguments.measured, arguments.training, Path(arguments.model) / "config.json")
        )
        weights = hashing.sha256_weights(arguments.model)
        if measured["weights_sha256"] != weights:
            raise InputError(
                file=arguments.measured, field="weights_sha256", remedy="measure this model again"
            )
        card = prompts.render(
            prompts.load_template(arguments.template),
            measured=measured,
            training=training,
            config=config,
            weights_sha256=weights,
            corpus=training["settings"]["corpus"],
        )
        with guarded(arguments.card) as (path,):
            path.write_text(card.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
