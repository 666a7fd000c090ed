"""First half of the smoke test: loads the base in the run's engine, guards it, generates and judges a little.

    python -m workflow_scripts.smoke_generation --settings '{"base_model": ..., "engine": ..., "seed": 1,
        "generation": ..., "budget": ..., "smoke": {"dollars": 0.3, "prompts": 64}}' \\
        --catalogue config/gpus.yaml \\
        --exemplars exemplars.yaml --template answers.j2 --critic-template critic.j2 \\
        --constitution constitution.yaml --report results/smoke/generation.json

Stops before `smoke.dollars` are spent. A download comes before that: the run needs it anyway.
"""

import argparse
import json

from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="slices of the configuration")
    parser.add_argument("--catalogue", required=True, help="GPU catalogue (YAML)")
    parser.add_argument("--exemplars", required=True, help="hand-written exemplars")
    parser.add_argument("--template", required=True, help="prompt template: answers")
    parser.add_argument("--critic-template", required=True, help="prompt template: critic")
    parser.add_argument("--constitution", required=True, help="the critic's principles")
    parser.add_argument("--report", required=True, help="what was measured (JSON)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Load, guard, generate, judge; write the rates."""
    arguments = parse_arguments(argv)
    settings = arguments.settings
    with job("smoke_generation", uses_gpu=True), guarded(arguments.report) as (output,):
        from workflow_scripts.core import exemplars, prompts, smoke
        from workflow_scripts.core.engines.loading import load_engine

        dollars, price = settings["smoke"]["dollars"], smoke.price_of(settings["budget"], arguments.catalogue)
        shown, template = (
            exemplars.load_exemplars(arguments.exemplars),
            prompts.load_template(arguments.template),
        )
        critic_template = prompts.load_template(arguments.critic_template)
        directory = smoke.base_directory(settings["base_model"])
        with smoke.time_limit(dollars / price * 3600, dollars) as stopwatch:
            engine = load_engine(settings["engine"], directory)
            load_seconds = stopwatch()
            say(f"smoke: {engine.identity['name']} has loaded the model in {load_seconds:.1f} s")
            texts = smoke.few_shot_prompts(settings, template, shown, "asked")
            guarded_prompts = smoke.check_guard(engine, texts)
            measured = smoke.measure_generation(engine, settings, template, shown)
            judged = smoke.check_critic(engine, critic_template, arguments.constitution, shown)
            seconds, used = stopwatch(), smoke.used_gpu_bytes()
        write_json(
            output,
            {
                "stage": "smoke_generation",
                "engine": engine.identity,
                "load_seconds": load_seconds,
                "guarded_prompts": guarded_prompts,
                "judged": judged,
                "peak_gpu_bytes": used,
                "seconds": seconds,
                "dollars": seconds * price / 3600,
                **measured,
            },
        )
        for text in measured["responses"][:3]:
            say(f"smoke: for example {text!r}")


if __name__ == "__main__":
    main()
