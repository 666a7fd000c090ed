"""Second half of the smoke test: two optimizer steps of SFT; then all rates that a projection needs.

    python -m workflow_scripts.smoke_training --settings '{"base_model": ..., "engine": ..., "sft": ...,
        "budget": ..., "smoke": {"dollars": 0.3, "prompts": 64}, "seed": 1}' --catalogue config/gpus.yaml \\
        --exemplars exemplars.yaml --template completion.j2 --generation results/smoke/generation.json \\
        --rates results/smoke/rates.json

Stops before both halves together have spent `smoke.dollars`.
"""

import argparse
import json

from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say

RATES = ("prompt_tokens_per_second", "generated_tokens_per_second", "load_seconds")


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="slices of the configuration")
    parser.add_argument("--catalogue", required=True, help="GPU catalogue (YAML)")
    parser.add_argument("--exemplars", required=True, help="hand-written exemplars")
    parser.add_argument("--template", required=True, help="prompt template: completion")
    parser.add_argument("--generation", required=True, help="what smoke_generation measured")
    parser.add_argument("--rates", required=True, help="all rates (JSON)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Train two steps; write all rates and say what was spent."""
    arguments = parse_arguments(argv)
    settings = arguments.settings
    with job("smoke_training", uses_gpu=True), guarded(arguments.rates) as (output,):
        from workflow_scripts.core import exemplars, smoke, smoke_training

        first = read_json(arguments.generation)
        dollars, price = settings["smoke"]["dollars"], smoke.price_of(settings["budget"], arguments.catalogue)
        shown = exemplars.load_exemplars(arguments.exemplars)
        directory = smoke.base_directory(settings["base_model"])
        with smoke.time_limit((dollars - first["dollars"]) / price * 3600, dollars) as stopwatch:
            trained = smoke_training.two_steps(settings, directory, arguments.template, shown)
            seconds = stopwatch()
        spent = first["dollars"] + seconds * price / 3600
        rates = {name: first[name] for name in RATES}
        rates["training_tokens_per_second"] = trained["training_tokens_per_second"]
        rates["peak_gpu_bytes"] = max(first["peak_gpu_bytes"], trained["peak_gpu_bytes"])
        base, sft = settings["base_model"], settings["sft"]
        write_json(
            output,
            {
                "stage": "smoke",
                "rates": rates,
                "model": f"{base['repo']}@{base['revision']}" if base["repo"] else base["path"],
                "engine": first["engine"],
                "precision": {
                    "generation": settings["engine"].get("quantization") or settings["engine"]["dtype"],
                    "training": sft.get("quantization") or settings["engine"]["dtype"],
                },
                "training": trained,
                "seconds": first["seconds"] + seconds,
                "dollars": spent,
            },
        )
        say(f"smoke: {', '.join(f'{name} {value:.4g}' for name, value in rates.items())}")
        say(f"smoke: ${spent:.4f} of ${dollars:g} spent, in {first['seconds'] + seconds:.0f} s")


if __name__ == "__main__":
    main()
