"""Trains a LoRA adapter on prompts and completions (SFT), with the loss on the completion and its EOS alone.

    python -m workflow_scripts.train_sft \\
        --settings '{"sft": {...}, "engine": {...}, "evaluation": {...}, "seed": 1}' \\
        --model results/base/model.json --examples train.parquet --dev dev.parquet --template completion.j2 \\
        --weights adapter_model.safetensors --adapter-config adapter_config.json \\
        --training training.json --metrics metrics.parquet

With --steps-from another training's training.json it takes exactly as many optimizer steps as that one did,
over as many epochs as that needs, without early stopping (the control arm of a second training).
"""

import argparse
import json

from workflow_scripts.core import runtime


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line: paths of the inputs and outputs, and the settings as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="sft, engine, evaluation, seed")
    parser.add_argument("--model", required=True, help="base/model.json or a model directory")
    parser.add_argument("--examples", required=True, help="SFT examples (Parquet)")
    parser.add_argument("--dev", required=True, help="dev items (Parquet)")
    parser.add_argument("--template", required=True, help="prompt template of the dev items")
    parser.add_argument("--steps-from", help="training.json of the training whose number of steps to take")
    parser.add_argument("--weights", required=True, help="adapter weights to write")
    parser.add_argument("--adapter-config", required=True, help="adapter config to write")
    parser.add_argument("--training", required=True, help="record of the training to write")
    parser.add_argument("--metrics", required=True, help="metrics per step to write (Parquet)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Train, write, and remove the training's state."""
    arguments = parse_arguments(argv)
    purpose = "train_sft_longer" if arguments.steps_from else "train_sft"
    with runtime.job(purpose, uses_gpu=True):
        from workflow_scripts.core import hashing, training, training_setup, training_state
        from workflow_scripts.core.code_digest import code_digest
        from workflow_scripts.core.outputs import guarded

        settings, steps_from = arguments.settings, arguments.steps_from
        inputs = training_setup.Inputs(
            model=arguments.model,
            data=arguments.examples,
            dev=arguments.dev,
            template=arguments.template,
            settings=settings["sft"],
            engine=settings["engine"],
            evaluation=settings["evaluation"],
            seed=hashing.derive_seed(settings["seed"], purpose) % 2**31,
            steps=training.steps_of(steps_from) if steps_from else None,
        )
        paths = (arguments.weights, arguments.adapter_config, arguments.training, arguments.metrics)
        with guarded(*paths) as outputs:
            digest = inputs.digest(code_digest(__file__))
            training.train(purpose, inputs, training_setup.sft_trainer, digest, arguments.weights, outputs)
        training_state.remove_states(arguments.weights)


if __name__ == "__main__":
    main()
