"""Makes the report's tables, as CSV, from the files of a run; figures and summary page are made from them.

python -m workflow_scripts.report_tables --settings '{"statistics": {...}}' --identity base/model.json
    --items test.parquet --scores ARM/scores.parquet ... --responses ARM/responses.parquet ...
    --comparisons comparisons.json --registration preregistration.json --variants variants.json
    --metrics FILE.json ... --gates FILE.json ...
    --training-reports training.json ... --training-metrics metrics.parquet ...
    --records FILE.parquet ... --tables tables/arms.csv tables/types.csv ...
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core import (
    report_automation,
    report_data_evidence,
    report_evidence,
    report_numbers,
    report_origins,
    report_tables,
    schemas,
)
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.scored_arms import read_scored_arms
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.report_columns import TABLES, write_table
from workflow_scripts.core.runtime import job

FILES = ("identity", "items", "comparisons", "registration", "variants")
LISTS = (
    "scores",
    "responses",
    "metrics",
    "gates",
    "training-reports",
    "training-metrics",
    "records",
    "tables",
)


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"statistics": {"primary": {...}}}')
    for name in FILES:
        parser.add_argument(f"--{name}", required=True)
    for name in LISTS:
        parser.add_argument(f"--{name}", nargs="+", required=True, type=Path)
    return parser.parse_args(argv)


def make_tables(arguments: argparse.Namespace) -> dict[str, list[dict]]:
    """Rows of every table."""
    root = Path(arguments.comparisons).parent.parent

    def read_all(paths) -> dict[str, dict]:
        return {path.relative_to(root).with_suffix("").as_posix(): read_json(path) for path in paths}

    def by_run(paths) -> dict[str, Path]:
        return {"-".join(path.relative_to(root / "models").parent.parts): path for path in paths}

    primary = json.loads(arguments.settings)["statistics"]["primary"]
    identity, document = read_json(arguments.identity), read_json(arguments.comparisons)
    registration, variants = read_json(arguments.registration), read_json(arguments.variants)
    reports, gates = read_all(arguments.metrics), read_all(arguments.gates)
    alpha = 1 - document["confidence"]
    arms = read_scored_arms(arguments.scores)
    scores = {path.parent.name: schemas.read_records(path, schemas.SCORES) for path in arguments.scores}
    responses = {
        path.parent.name: schemas.read_records(path, schemas.RESPONSES) for path in arguments.responses
    }
    items = schemas.read_records(arguments.items, schemas.ITEMS)
    runs = {
        name: schemas.read_records(path, schemas.TRAINING_METRICS)
        for name, path in by_run(arguments.training_metrics).items()
    }
    origins = {
        path.relative_to(root).as_posix(): report_origins.provenance_texts(path)
        for path in [Path(arguments.items), *arguments.records, *arguments.responses, *arguments.scores]
    }
    files = [Path(getattr(arguments, name)) for name in FILES]
    for name in LISTS:
        files += getattr(arguments, name.replace("-", "_")) if name != "tables" else []
    audit, calibration = reports["evaluation/audit"], reports["critic/calibration"]
    statistics = {"statistics/comparisons": document, "statistics/preregistration": registration}
    statistics["statistics/variants"] = variants
    return {
        "arms": report_tables.arm_rows(arms, alpha),
        "types": report_tables.type_rows(arms, alpha),
        "comparisons": report_tables.comparison_rows(document),
        "funnel": report_tables.funnel_rows(reports),
        "metrics": report_tables.metric_rows(reports),
        "histograms": report_tables.histogram_rows(reports),
        "reliability": report_tables.reliability_rows(calibration, alpha),
        "roc": report_tables.roc_rows(calibration),
        "critic_groups": report_tables.critic_group_rows(calibration),
        "training": report_tables.training_rows(runs),
        "reasons": report_tables.reason_rows(scores),
        "audit_arms": report_tables.audit_arm_rows(audit, list(arms)),
        "gates": report_tables.gate_rows({Path(name).name: gate for name, gate in gates.items()}),
        "differing_items": report_tables.differing_rows(
            items, scores, responses, report_tables.compared_pairs(document, primary)
        ),
        "identity": report_origins.identity_rows(
            identity,
            {name: read_json(path) for name, path in by_run(arguments.training_reports).items()},
            report_origins.packages_of([text for texts in origins.values() for text in texts]),
        ),
        "record_files": report_origins.record_file_rows(origins),
        "files": report_origins.file_rows(files, root),
        "numbers": report_numbers.number_rows({**statistics, **reports, **gates, "base/model": identity}),
        **report_evidence.evaluation_tables(
            audit, document, registration, reports["gates/error_rates"], primary
        ),
        **report_data_evidence.data_tables(reports),
        **report_automation.tables(variants, reports["budget/automation"]),
    }


def main(argv=None) -> None:
    """Reads everything, and writes the tables that are asked for, each under its name."""
    arguments = parse_arguments(argv)
    with job("report_tables"):
        for path in arguments.tables:
            if path.stem not in TABLES:
                raise InputError(
                    field="--tables", value=path.stem, remedy=f"the tables are {', '.join(TABLES)}"
                )
        tables = make_tables(arguments)
        with guarded(*arguments.tables) as temporary:
            for path, target in zip(arguments.tables, temporary, strict=True):
                write_table(target, path.stem, tables[path.stem])


if __name__ == "__main__":
    main()
