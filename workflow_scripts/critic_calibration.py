"""Measures the critic on items with known right and wrong answers: its prior, its worth, its threshold.

    python -m workflow_scripts.critic_calibration --settings '{"engine": ..., "critic": ...}' \\
        --identity base/model.json --calibration calibration.parquet --constitution constitution.yaml \\
        --template critic.j2 --calibration-report critic/calibration.json
"""

import argparse
import json

from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.progress import Progress
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"engine", "critic"}')
    parser.add_argument("--identity", required=True, help="base/model.json")
    parser.add_argument("--calibration", required=True, help="calibration items")
    parser.add_argument("--constitution", required=True, help="principles of the critic")
    parser.add_argument("--template", required=True, help="the critic's prompt template")
    parser.add_argument("--calibration-report", required=True, help="report to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Judge nothing, for the prior, and each item's reference and corruption; write what that shows."""
    arguments = parse_arguments(argv)
    with job("critic_calibration", uses_gpu=True), guarded(arguments.calibration_report) as (output,):
        from workflow_scripts.core import calibration, critic, critic_prior, prompts, schemas
        from workflow_scripts.core.engines.loading import load_engine

        settings = json.loads(arguments.settings)
        items = schemas.read_records(arguments.calibration, schemas.ITEMS)
        pairs = [
            (item["instruction"], item[answer]) for item in items for answer in ("reference", "corruption")
        ]
        engine = load_engine(settings["engine"], arguments.identity)
        template = prompts.load_template(arguments.template)
        principles = load_constitution(arguments.constitution)
        content_free = critic_prior.measure_prior(engine, template, principles)
        counter = Progress(len(pairs), "answers", "critic calibration", may_end=True)
        judgements = critic.judge(engine, template, principles, pairs, counter.advance)
        engine.audit.report("critic calibration")

        how = settings["critic"]
        prior, is_good = critic_prior.mean_prior(content_free), [True, False] * len(items)
        principles = critic_prior.choose_priors(principles, prior, judgements, is_good, how["subtract_prior"])
        judgements = [critic.less_priors(judgement, principles) for judgement in judgements]
        report = calibration.calibration_report(
            items, judgements, how["target_precision"], principles, content_free
        )
        metrics = {name: round(metric["value"], 3) for name, metric in report["metrics"].items()}
        say(f"threshold {report['threshold']}: {metrics}")
        write_json(output, report)


if __name__ == "__main__":
    main()
