"""A small finished run for tests of the report, every file in its real layout, and the report made of it."""

import json
import random
from pathlib import Path

from tests import report_run_evidence as evidence
from tests.attempt_files import write_attempt, write_gate
from tests.report_run_costs import cost_arguments, page_settings, write_costs
from tests.report_run_data import record, write_calibration, write_pairs, write_records, write_training
from workflow_scripts import (
    audit_pairs,
    automation,
    compare,
    evaluation_audit,
    gate,
    generation_qc,
    headroom,
    report_figures,
    report_tables,
    summary_page,
    variant_overview,
)
from workflow_scripts.core import schemas
from workflow_scripts.core.figures import FIGURES
from workflow_scripts.core.report_columns import TABLES

RATES = {"base_raw": 0.03, "base": 0.52, "sft": 0.7, "sft-longer": 0.72, "dpo-main": 0.79}
TYPES = ("constraint", "factual", "format", "list", "transform")
PRIMARY = {"baseline": "base", "candidate": "dpo-main"}
STATISTICS = {
    "alpha": 0.01,
    "fdr": 0.05,
    "confidence": 0.95,
    "bootstrap_samples": 200,
    "seed": 7,
    "primary": PRIMARY,
    "planned_discordance": {"primary": 0.3},
}
COMPARISONS = [["base", "dpo-main"], ["base_raw", "base"], ["base", "sft"], ["sft", "dpo-main"]]
CONFIG = {
    "seed": 1,
    "test_set": {"seed": 20},
    "deduplication": evidence.DEDUPLICATION,
    "statistics": STATISTICS,
    "overrides": {},
}
ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = sorted(map(str, (ROOT / "reports/templates").rglob("*.j2")))
CAPTIONS = sorted(map(str, (ROOT / "reports/captions").glob("*.rst")))
METRICS = [
    *("base/guard", "base/sentinels", "test_set/audit", "headroom/headroom", "critic/calibration"),
    *("pilot/qc", "sft_data/qc", "sft_data/overlap", "dev_evaluation/base-vs-sft"),
    *("preferences/best-of-4/audit", "dev_evaluation/sft-vs-dpo-main", "gates/error_rates"),
    "evaluation/audit",
    "budget/automation",
]
CLAIM = {
    "claim_mid_p": {"bound": "value", "below": 0.01, "otherwise": "stop"},
    "claim_lift": {"bound": "low", "above": 0.0, "otherwise": "stop"},
}


def _items(n: int) -> list[dict]:
    rows = []
    for place in range(n):
        kind = TYPES[place % len(TYPES)]
        rows.append(
            record(
                item_id=f"item-{place:04d}",
                split="test",
                type=kind,
                family=f"{kind}s",
                cluster=f"{kind}s/{place % 3}",
                instruction=f"Name two birds but not owl ({place}).",
                check='{"kind": "exact", "accepted": ["crow, wren"]}',
                reference="crow, wren",
                corruption="owl",
            )
        )
    return rows


def _write_arm(folder: Path, arm: str, rate: float, items: list[dict], responses: dict[str, str]) -> None:
    """An arm's responses and scores; what is hard for one arm is hard for all. `responses` replaces texts."""
    answered, scored = [], []
    for item in items:
        hardness = random.Random(item["item_id"]).random()
        wobble = random.Random(arm + item["item_id"]).uniform(-0.18, 0.18)
        success = hardness + wobble < rate
        response = responses.get(item["item_id"], "crow, wren" if success else "owl, crow and another owl")
        shared = {"item_id": item["item_id"], "arm": arm}
        answered.append(
            record(
                **shared,
                response_raw=f" {response}",
                response=response,
                finish_reason="eos",
                response_tokens=5,
                prompt_tokens=12,
            )
        )
        scored.append(
            record(
                **shared,
                **{name: item[name] for name in ("type", "family", "cluster")},
                success=success,
                reason="ok" if success else ("holds an excluded word" if hardness > 0.5 else "wrong count"),
                response_characters=len(response),
                finish_reason="eos",
            )
        )
    folder.mkdir(parents=True)
    schemas.write_records(folder / "responses.parquet", answered, schemas.RESPONSES)
    schemas.write_records(folder / "scores.parquet", scored, schemas.SCORES)


def _gate(results: Path, name: str, metrics: str, criteria: dict, override: str | None = None) -> None:
    settings = {"gate": {"name": name, "criteria": criteria, "override": override}}
    files = ["--metrics", str(results / metrics), "--decision", str(results / f"gates/{name}.json")]
    gate.main(["--settings", json.dumps(settings), *files, "--record-only"])


def make_run(
    root: Path, n: int = 60, rates=RATES, overrides=None, responses=None, registered=None, labels=False
) -> Path:
    """Writes a finished run below `root`/results and returns that folder.

    `rates` {arm: success rate}; `overrides` {gate: reason}; `responses` {item_id: text} of the candidate;
    `registered` other statistics that were registered at first; `labels` whether people labelled answers.
    """
    results, overrides = root / "results", overrides or {}
    items = _items(n)
    for split in ("test", "dev"):
        (results / "test_set").mkdir(parents=True, exist_ok=True)
        schemas.write_records(results / f"test_set/{split}.parquet", items, schemas.ITEMS)
    statistics = {**STATISTICS, "comparisons": COMPARISONS}
    registration = evidence.write_registration(results, statistics | (registered or {}), CLAIM)
    for stage in ("evaluation", "dev_evaluation"):
        for arm, rate in rates.items():
            texts = responses if arm == PRIMARY["candidate"] and responses else {}
            _write_arm(results / stage / arm, arm, rate, items, texts)
    write_records(results / "pilot/records.parquet", 40)
    write_records(results / "generation/shard-000.parquet", 200)
    write_pairs(results / "preferences", 40)
    for folder, start, dpo in (("sft", 2.0, False), ("sft-longer", 0.5, False), ("dpo/main", 0.5, True)):
        write_training(results / "models" / folder, start, 24, dpo)

    evidence.write_base(results / "base")
    evidence.write_item_audit(results / "test_set/audit.json", items)
    evidence.write_overlap(results)
    evidence.write_lifts(results, STATISTICS["confidence"])
    write_calibration(results / "critic/calibration.json", items)
    examples = ["--detector-examples", "resources/detectors/labelled.jsonl"]
    for records, report in (
        ("pilot/records.parquet", "pilot/qc.json"),
        ("generation/shard-000.parquet", "sft_data/qc.json"),
    ):
        files = ["--records", str(results / records), "--report", str(results / report)]
        generation_qc.main([*files, *examples])
    folder = results / "preferences"
    pairs = ["--pairs", str(folder / "best-of-4/pairs.parquet")]
    candidates = ["--candidates", str(folder / "candidates/shard-000.parquet")]
    audit_pairs.main([*pairs, *candidates, "--audit", str(folder / "best-of-4/audit.json")])
    dev = results / "dev_evaluation"
    arms = ["--base", str(dev / "base/scores.parquet"), "--base-raw", str(dev / "base_raw/scores.parquet")]
    headroom.main(
        ["--settings", '{"confidence": 0.95}', *arms, "--report", str(results / "headroom/headroom.json")]
    )

    if registered:
        evidence.write_registration(results, statistics, CLAIM)
    settings = json.dumps({"statistics": statistics})
    scores = ["--scores", *arm_files(results, "scores", rates)]
    document = str(results / "statistics/comparisons.json")
    plan = ["--registration", str(registration)]
    compare.main(["--settings", settings, *scores, *plan, "--comparisons", document])
    answers = ["--responses", *arm_files(results, "responses", rates), "--comparisons", document]
    again = evidence.write_repeats(results, PRIMARY.values(), n // 2)
    answers += ["--items", str(results / "test_set/test.parquet"), "--same", *again["same"]]
    answers += ["--other-batch", *again["other_batch"]]
    if labels:
        sheet = evidence.write_labels(root / "labels.csv", results, PRIMARY.values(), 2 * n // 3)
        answers += ["--labels", sheet]
    evaluation_audit.main(
        ["--settings", settings, *scores, *answers, "--audit", str(results / "evaluation/audit.json")]
    )
    _gate(
        results,
        "headroom",
        "headroom/headroom.json",
        {"base_success": {"bound": "low", "below": 0.9, "otherwise": "stop"}},
        overrides.get("headroom"),
    )
    _gate(results, "claim", "evaluation/audit.json", CLAIM, overrides.get("claim"))
    _write_overviews(results, document)
    return results


def _write_overviews(results: Path, document: str) -> None:
    """The overview of the one DPO variant, and the metrics of automation after two sessions."""
    main = {"pair_set": "best-of-4", "beta": 0.1, "seed": None}
    sets = {"best-of-4": {"candidates": 2, "min_margin": 0.5}}
    settings = {"main": "main", "variants": {"main": main}, "sets": sets}
    words = ["--settings", json.dumps(settings), "--comparisons", document]
    words += ["--training-reports", str(results / "models/dpo/main/training.json")]
    variant_overview.main([*words, "--overview", str(results / "statistics/variants.json")])
    usage = results / "usage"
    write_attempt(usage, "train_sft", 1, status="failed")
    write_attempt(usage, "train_sft", 2, session="second")
    write_gate(usage, "pilot", 0, 3, 3)
    words = ["--usage", str(usage), "--metrics", str(results / "budget/automation.json")]
    words += ["--gates", *(str(results / f"gates/{name}.json") for name in ("headroom", "claim"))]
    automation.main(
        [*words, "--qualities", *(str(results / f"{name}/qc.json") for name in ("pilot", "sft_data"))]
    )
    write_costs(results)


def arm_files(results: Path, name: str, arms=RATES) -> list[str]:
    """One file of every arm of the evaluation."""
    return [str(results / f"evaluation/{arm}/{name}.parquet") for arm in arms]


def make_amended_run(root: Path) -> Path:
    """A run whose plan was amended after the answers, with labels by people: every table is filled."""
    return make_run(root, n=63, registered={"alpha": 0.05, "fdr": 0.1}, labels=True)


def make_report(results: Path, drawn: Path | None = None) -> str:
    """Tables, figures and page of a run; returns the page's text. `drawn`: a run that lends its figures."""
    tables = [str(results / f"tables/{name}.csv") for name in TABLES]
    figures = [str(results / f"figures/{name}.svg") for name in FIGURES]
    runs = ("sft", "sft-longer", "dpo/main")
    gates = [str(results / f"gates/{name}.json") for name in ("headroom", "claim")]
    comparisons = ["--comparisons", str(results / "statistics/comparisons.json")]
    records = ("pilot/records", "generation/shard-000", "preferences/best-of-4/pairs")
    report_tables.main(
        [
            *["--settings", json.dumps({"statistics": STATISTICS}), *comparisons],
            *["--registration", str(results / "statistics/preregistration.json")],
            *["--variants", str(results / "statistics/variants.json")],
            *[
                "--identity",
                str(results / "base/model.json"),
                "--items",
                str(results / "test_set/test.parquet"),
            ],
            *["--scores", *arm_files(results, "scores"), "--responses", *arm_files(results, "responses")],
            *["--metrics", *(str(results / f"{name}.json") for name in METRICS), "--gates", *gates],
            *["--training-reports", *(str(results / f"models/{run}/training.json") for run in runs)],
            *["--training-metrics", *(str(results / f"models/{run}/metrics.parquet") for run in runs)],
            *["--records", *(str(results / f"{name}.parquet") for name in records), "--tables", *tables],
        ]
    )
    if drawn is None:
        report_figures.main(["--tables", *tables, "--figures", *figures])
    else:
        figures = [str(drawn / f"figures/{name}.svg") for name in FIGURES]
    page = results.parent / "reports/summary.html"
    files = ["--tables", *tables, "--figures", *figures, "--templates", *TEMPLATES, "--captions", *CAPTIONS]
    made = ["--configuration", str(results / "config.yaml"), "--page", str(page)]
    summary_page.main(
        [
            *["--settings", page_settings(results, CONFIG), *comparisons, *cost_arguments(results)],
            *["--gates", *gates, *files, *made],
        ]
    )
    return page.read_text(encoding="utf-8")
