"""Trains a LoRA adapter on preference pairs (DPO); the merged SFT model that it starts from is also the
reference.

    python -m workflow_scripts.train_dpo \\
        --settings '{"dpo": {...}, "engine": {...}, "evaluation": {...}, "seed": 1}' \\
        --model results/models/sft-merged --pairs pairs.parquet --dev dev.parquet --template completion.j2 \\
        --weights adapter_model.safetensors --adapter-config adapter_config.json \\
        --training training.json --metrics metrics.parquet
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core import runtime


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line: paths of the inputs and outputs, and the settings as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="dpo, engine, evaluation, seed")
    parser.add_argument("--model", required=True, help="directory of the merged SFT model")
    parser.add_argument("--pairs", required=True, help="preference pairs (Parquet)")
    parser.add_argument("--dev", required=True, help="dev items (Parquet)")
    parser.add_argument("--template", required=True, help="prompt template of the dev items")
    parser.add_argument("--weights", required=True, help="adapter weights to write")
    parser.add_argument("--adapter-config", required=True, help="adapter config to write")
    parser.add_argument("--training", required=True, help="record of the training to write")
    parser.add_argument("--metrics", required=True, help="metrics per step to write (Parquet)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Train, write, and remove the training's state."""
    arguments = parse_arguments(argv)
    with runtime.job(f"train_dpo {Path(arguments.weights).parent.name}", uses_gpu=True):
        from workflow_scripts.core import hashing, training, training_adapters, training_setup, training_state
        from workflow_scripts.core.code_digest import code_digest
        from workflow_scripts.core.outputs import guarded

        settings = arguments.settings
        inputs = training_setup.Inputs(
            model=arguments.model,
            data=arguments.pairs,
            dev=arguments.dev,
            template=arguments.template,
            settings=settings["dpo"],
            engine=settings["engine"],
            evaluation=settings["evaluation"],
            seed=hashing.derive_seed(settings["seed"], "train_dpo") % 2**31,
        )
        paths = (arguments.weights, arguments.adapter_config, arguments.training, arguments.metrics)
        with guarded(*paths) as outputs:
            lineage = training_adapters.read_lineage(arguments.model)
            digest = {**inputs.digest(code_digest(__file__)), "reference": lineage}
            training.train(
                "train_dpo", inputs, training_setup.dpo_trainer, digest, arguments.weights, outputs
            )
        training_state.remove_states(arguments.weights)


if __name__ == "__main__":
    main()
