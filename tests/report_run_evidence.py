"""The evidence of a small finished run for tests of the report, mostly by the workflow's commands."""

import csv
import json
from collections import Counter
from pathlib import Path

from tests.evaluation_files import write_repeat
from workflow_scripts import deduplicate, dev_lift, gate_error_rates, preregister
from workflow_scripts.core import schemas, task_audit
from workflow_scripts.core.outputs import write_json
from workflow_scripts.core.sentinels import rates

DEDUPLICATION = {
    "near": {"characters": 5, "permutations": 64, "threshold": 0.8},
    "coverage": {"words": 8, "threshold": 0.8},
    "skeletons": {"heldout": "report", "at_most_per_skeleton": None},
}


def write_metrics(path: Path, stage: str, metrics: dict, **evidence) -> None:
    """A metrics file of plain values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metrics = {name: {"value": value} for name, value in metrics.items()}
    write_json(path, {"stage": stage, "metrics": metrics, **evidence})


def write_base(folder: Path) -> None:
    """The base's identity, the guard's report and the sentinels', one of which is not as recorded."""
    folder.mkdir(parents=True)
    identity = {"label": "tiny", "revision": None, "architecture": "Qwen2ForCausalLM", "parameters": 1810000}
    write_json(
        folder / "model.json", {**identity, "weights_sha256": "a" * 64, "files": {"config.json": "b" * 64}}
    )
    write_metrics(
        folder / "guard.json",
        "contamination",
        {"special_tokens_in_prompts": 0, "negative_control_fired": 1.0},
        prompts_by_source={"config/prompts/answers.j2": 137, "config/sentinels.yaml": 41},
        negative_control={name: {"wrapped": 73, "found": 73} for name in ("ChatML", "Llama 3")},
    )
    recorded = [_outcome(place) for place in range(16)]
    measured = [outcome | {"self_continuation": outcome["id"] == "question-01"} for outcome in recorded]
    report = rates.sentinel_report(measured, recorded, {})
    write_json(folder / "sentinels.json", report)


def _outcome(place: int) -> dict:
    kind = ("text", "question", "instruction", "dialogue")[place % 4]
    signs = dict.fromkeys(("eos_after_answer", "assistant_voice", "chat_marker"), False)
    return {
        "id": f"{kind}-{place:02d}",
        "kind": kind,
        "continuation": f" word {place}, </script> & so on",
        "finish_reason": "length",
        **signs,
        "self_continuation": place % 5 == 0,
        "eos_probability": 0.013 * place,
        "chat_end_probability": 0.0,
    }


def write_item_audit(path: Path, items: list[dict]) -> None:
    """The audit of the test items; the room for more is made up, as these items have no templates."""
    counts = {
        name: {split: dict(Counter(item[column] for item in items)) for split in ("test", "dev")}
        for name, column in (("items_by_type", "type"), ("items_by_family", "family"))
    }
    tried = task_audit.try_checks(items)
    metrics = {"duplicates": {"value": 0.0}, "capacity_ratio": {"value": 2.5}, **tried["metrics"]}
    report = {"stage": "test_set", **counts, "metrics": metrics, "checks": tried["checks"]}
    report["items_by_phrasing"] = dict(Counter(item["cluster"] for item in items))
    report["capacity_ratio_by_type"] = {kind: 2.5 for kind in counts["items_by_type"]["test"]}
    write_json(path, report)


def write_overlap(results: Path) -> None:
    """The training data and what it shares with held-out data."""
    splits = [f"--{split}={results / 'test_set/test.parquet'}" for split in deduplicate.SPLITS]
    folder = results / "sft_data"
    folder.mkdir(parents=True, exist_ok=True)
    deduplicate.main(
        [
            *["--settings", json.dumps({"deduplication": DEDUPLICATION})],
            *["--records", str(results / "generation/shard-000.parquet"), *splits],
            *["--template", "config/prompts/completion.j2", "--exemplars", "config/exemplars.yaml"],
            *["--sentinels", "config/sentinels.yaml", "--train", str(folder / "train.parquet")],
            *["--overlap", str(folder / "overlap.json")],
        ]
    )


def write_lifts(results: Path, confidence: float) -> None:
    """The lifts on dev that the sft and dpo gates judge, and how often such gates err."""
    dev, settings = results / "dev_evaluation", json.dumps({"confidence": confidence})
    for baseline, candidate in (("base", "sft"), ("sft", "dpo-main")):
        scores = [str(dev / f"{arm}/scores.parquet") for arm in (baseline, candidate)]
        report = str(dev / f"{baseline}-vs-{candidate}.json")
        arguments = ["--settings", settings, "--baseline", scores[0], "--candidate", scores[1]]
        dev_lift.main([*arguments, "--report", report])
    criteria = {"lift": {"bound": "high", "at_least": 0.1, "otherwise": "pause"}}
    settings = json.dumps(
        {
            "gates": {"sft": criteria, "dpo": criteria},
            "n": 60,
            "confidence": confidence,
            "planned_discordance": {"sft": 0.2, "dpo": 0.1},
        }
    )
    (results / "gates").mkdir(parents=True, exist_ok=True)
    gate_error_rates.main(["--settings", settings, "--report", str(results / "gates/error_rates.json")])


def write_registration(results: Path, statistics: dict, claim: dict) -> Path:
    """Registers a plan, or amends the one that is there."""
    path = results / "statistics/preregistration.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = json.dumps({"statistics": statistics, "claim": claim})
    folders = ["--items", str(results / "test_set/test.parquet"), "--responses", str(results / "evaluation")]
    preregister.main(["--settings", settings, *folders, "--registration", str(path)])
    return path


def write_repeats(results: Path, arms, count: int) -> dict[str, list[str]]:
    """Both arms asked again both ways; at the other batch size the first answer becomes another one."""
    found = {}
    for way, changes in (("same", {}), ("other_batch", {0: "a gull"})):
        for arm in arms:
            path = results / f"evaluation_repeats/{arm}/{way}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            responses = results / f"evaluation/{arm}/responses.parquet"
            found.setdefault(way, []).append(write_repeat(path, responses, changes, count))
    return found


def write_labels(path: Path, results: Path, arms, count: int) -> str:
    """People's labels of the first answers of each arm; they judge one of seven otherwise than the scorer."""
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("item_id", "arm", "success"))
        for arm in arms:
            rows = schemas.read_records(results / f"evaluation/{arm}/scores.parquet", schemas.SCORES)
            for place, row in enumerate(rows[:count]):
                writer.writerow((row["item_id"], arm, row["success"] != (place % 7 == 3)))
    return str(path)
