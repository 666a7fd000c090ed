"""Audits the primary comparison: length, format, truncation, single clusters, repeated answers, labels.

python -m workflow_scripts.evaluation_audit --settings '{"primary": ["base", "sft"]}'
    --scores base/scores.parquet sft/scores.parquet --responses base/responses.parquet
    sft/responses.parquet --comparisons comparisons.json --audit audit.json

With --items the examples show their instructions. Repeated answers (--same, --other-batch) are scored by
the items' checks and need --items; labels are those that people gave (see label_sheet).
"""

import argparse

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.audit import audit
from workflow_scripts.core.evaluation.claim import primary_entry, read_comparisons
from workflow_scripts.core.evaluation.human_labels import read_labels
from workflow_scripts.core.evaluation.repeats import Repeat, read_repeat
from workflow_scripts.core.evaluation.scored_answers import Answers, read_answers
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
    parser.add_argument("--items", help="the items: their instructions and checks")
    parser.add_argument("--same", nargs="*", default=[], help="answers repeated the same way, by arm")
    parser.add_argument("--other-batch", nargs="*", default=[], help="the same at another batch size")
    parser.add_argument("--labels", nargs="?", help="people's labels of answers (CSV or JSONL)")
    parser.add_argument("--audit", required=True, help="audit to write (JSON)")
    return parser.parse_args(argv)


def read_repeats(arguments, arms: dict[str, Answers], items: dict[str, dict]) -> list[Repeat]:
    """Every repetition that was given."""
    files = {"same": arguments.same, "other_batch": arguments.other_batch}
    if any(files.values()) and not items:
        raise InputError(field="--items", remedy="give the items: their checks score repeated answers")
    return [read_repeat(path, way, arms, items) for way, paths in files.items() for path in paths]


def main(argv=None) -> None:
    """Reads all arms, audits the primary comparison, and writes one JSON file."""
    arguments = parse_arguments(argv)
    with job("evaluation_audit"):
        settings = read_settings(arguments.settings)
        if "primary" not in settings:
            remedy = "name the comparison that the claim rests on, [baseline, candidate]"
            raise InputError(field="primary", remedy=remedy)
        arms = read_answers(arguments.scores, arguments.responses)
        document = read_comparisons(arguments.comparisons)
        entry = primary_entry(arguments.comparisons, document, settings["primary"], arms)
        rows = read_records(arguments.items, ITEMS) if arguments.items else []
        items = {row["item_id"]: row for row in rows}
        analysis = analysis_of(settings)
        with guarded(arguments.audit) as (temporary,):
            result = audit(
                arms,
                document,
                entry,
                confidence=analysis.confidence,
                seed=analysis.seed,
                examples=EXAMPLES,
                instructions={name: item["instruction"] for name, item in items.items()},
                repeats=read_repeats(arguments, arms, items),
                labels=read_labels(arguments.labels, arms) if arguments.labels else None,
            )
            write_json(temporary, result)
        for name, found in result["metrics"].items():
            say(f"{name} = {found['value']}")


if __name__ == "__main__":
    main()
