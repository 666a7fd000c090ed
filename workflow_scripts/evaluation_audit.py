"""Audits the primary comparison: length, truncation, prompts, single clusters, examples to read.

python -m workflow_scripts.evaluation_audit --settings '{"primary": ["base", "sft"]}'
    --scores base/scores.parquet sft/scores.parquet --responses base/responses.parquet
    sft/responses.parquet --comparisons comparisons.json --audit audit.json
"""

import argparse

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.audit import audit, read_primary
from workflow_scripts.core.evaluation.scored_answers import read_answers
from workflow_scripts.core.evaluation.settings import analysis_of, read_settings
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say
from workflow_scripts.core.schemas import ITEMS, read_records

EXAMPLES = 3


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"primary": [baseline, candidate]}')
    parser.add_argument("--scores", nargs="+", required=True, help="scores, one file per arm")
    parser.add_argument("--responses", nargs="+", required=True, help="responses, in the same order of arms")
    parser.add_argument("--comparisons", required=True, help="what compare wrote about these scores")
    parser.add_argument("--items", help="items, to show their instructions beside the examples")
    parser.add_argument("--audit", required=True, help="audit to write (JSON)")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads all arms, audits the primary comparison, and writes one JSON file."""
    arguments = parse_arguments(argv)
    with job("evaluation_audit"):
        settings = read_settings(arguments.settings)
        if "primary" not in settings:
            remedy = "name the comparison that the claim rests on, [baseline, candidate]"
            raise InputError(field="primary", remedy=remedy)
        arms = read_answers(arguments.scores, arguments.responses)
        entry = read_primary(arguments.comparisons, settings["primary"], arms)
        items = read_records(arguments.items, ITEMS) if arguments.items else []
        with guarded(arguments.audit) as (temporary,):
            result = audit(
                arms,
                entry,
                confidence=analysis_of(settings).confidence,
                examples=EXAMPLES,
                instructions={item["item_id"]: item["instruction"] for item in items},
            )
            write_json(temporary, result)
        for name, found in result["metrics"].items():
            say(f"{name} = {found['value']}")


if __name__ == "__main__":
    main()
