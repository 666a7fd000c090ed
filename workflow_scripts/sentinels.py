"""Lets the base continue the sentinels, and measures how often it behaves as an assistant would.

    python -m workflow_scripts.sentinels --settings '{"engine": ...}' --model base/model.json \\
        --sentinels sentinels.yaml --template completion.j2 --recorded-rates recorded.json \\
        --report base/sentinels.json

What it writes about a base that is trusted can be kept, and be the --recorded-rates of later runs.
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
    parser.add_argument("--settings", required=True, help='JSON: {"engine"}')
    parser.add_argument("--model", required=True, help="base/model.json or a model directory")
    parser.add_argument("--sentinels", required=True, help="the battery (YAML)")
    parser.add_argument("--template", required=True, help="the completion prompt")
    parser.add_argument(
        "--recorded-rates", nargs="*", help="an earlier report of the same weights, or nothing"
    )
    parser.add_argument("--report", required=True, help="report to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the rates; refuse a model whose files are not those on record, and a record of other weights."""
    arguments = parse_arguments(argv)
    with job("sentinels", uses_gpu=True), guarded(arguments.report) as (output,):
        from workflow_scripts.core import models, prompts, provenance
        from workflow_scripts.core.engines.loading import load_engine
        from workflow_scripts.core.sentinels import battery, observation, rates

        sentinels = battery.load_sentinels(arguments.sentinels)
        template = prompts.load_template(arguments.template)
        weights = provenance.model_identity(arguments.model)["weights_sha256"]
        digest = sentinels.sha256(template)
        recorded = None
        if arguments.recorded_rates:
            recorded = rates.read_recorded(arguments.recorded_rates[0], digest, weights)
        models.check_files(models.resolve_model(arguments.model))
        engine = load_engine(json.loads(arguments.settings)["engine"], arguments.model)
        outcomes = observation.observe(engine, sentinels, template)
        report = rates.sentinel_report(outcomes, recorded, observation.chat_end_tokens(engine.tokenizer))
        report |= {"battery_sha256": digest, "weights_sha256": weights, "engine": engine.identity}
        metrics = {name: round(metric["value"], 3) for name, metric in report["metrics"].items()}
        say(f"sentinels: {metrics}")
        write_json(output, report)


if __name__ == "__main__":
    main()
