"""A small finished run for tests of the report: random outcomes, every file in its real layout."""

import json
import random
from pathlib import Path

from workflow_scripts import audit_pairs, compare, evaluation_audit, gate, generation_qc, headroom
from workflow_scripts.core import calibration, critic, hashing, schemas
from workflow_scripts.core.outputs import write_json

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
}
CONFIG = {"seed": 1, "test_set": {"seed": 20}, "statistics": STATISTICS, "overrides": {}}
CLAIM = {
    "claim_mid_p": {"bound": "value", "below": 0.01, "otherwise": "stop"},
    "claim_lift": {"bound": "low", "above": 0.0, "otherwise": "stop"},
}
PROVENANCE = hashing.canonical_json(
    {
        "model": {"id": "tiny", "revision": None, "weights_sha256": "a" * 64, "dtype": "float32"},
        "engine": {"name": "transformers", "version": "5.19.0", "dtype": "float32", "device": "cpu"},
        "code_digest": "c" * 64,
        "git_commit": "1234567890abcdef1234567890abcdef12345678",
        "git_dirty": False,
        "packages": {"torch": "2.13.0", "trl": "1.16.0"},
    }
)


def _record(**columns) -> dict:
    content = {"prompt_sha256": "0" * 64, "seed": 1, "provenance": PROVENANCE, **columns}
    return {"record_id": hashing.record_id(**content), **content}


def _items(n: int) -> list[dict]:
    rows = []
    for place in range(n):
        kind = TYPES[place % len(TYPES)]
        rows.append(
            _record(
                item_id=f"item-{place:04d}",
                split="test",
                type=kind,
                family=f"{kind}s",
                cluster=f"{kind}s/{place % 3}",
                instruction=f"Name two birds but not owl ({place}).",
                check="{}",
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
            _record(
                **shared,
                response_raw=f" {response}",
                response=response,
                finish_reason="eos",
                response_tokens=5,
                prompt_tokens=12,
            )
        )
        scored.append(
            _record(
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


def _write_records(path: Path, count: int) -> None:
    rows = []
    for place in range(count):
        draw = random.Random(place)
        malformed, margin = draw.random() < 0.05, draw.gauss(0.6, 1.6)
        accepted = not malformed and margin > 0.5
        rows.append(
            _record(
                shard=0,
                index=place,
                instruction=f"Repeat owl {draw.randint(1, 400)} times.",
                instruction_prompt_sha256="0" * 64,
                instruction_finish_reason="stop",
                response_raw="" if malformed else " owl owl",
                response="" if malformed else "owl owl",
                finish_reason="" if malformed else "eos",
                response_tokens=0 if malformed else draw.randint(2, 24),
                prompt_tokens=50,
                verdict_margin=None if malformed else margin,
                p_yes=None if malformed else 0.6,
                accepted=accepted,
                rejected_reason="malformed_instruction" if malformed else None if accepted else "critic",
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    schemas.write_records(path, rows, schemas.RECORDS)


def _write_pairs(folder: Path, count: int) -> None:
    candidates, pairs = [], []
    for place in range(count):
        sides = []
        for candidate, margin in ((0, 1.0 + place % 7 / 2), (1, -0.5 - place % 3)):
            sides.append(
                _record(
                    instruction_id=f"instruction-{place}",
                    instruction=f"Name {place} birds.",
                    prompt=f"Question: Name {place} birds.\nAnswer:",
                    candidate=candidate,
                    response_raw=" crow" if candidate == 0 else " owl owl",
                    response="crow" if candidate == 0 else "owl owl",
                    finish_reason="eos",
                    response_tokens=2,
                    prompt_tokens=9,
                    verdict_margin=margin,
                    p_yes=0.5,
                    usable=True,
                )
            )
        candidates += sides
        best, worst = sides
        pairs.append(
            _record(
                **{name: best[name] for name in ("instruction_id", "instruction", "prompt")},
                chosen=" crow",
                rejected=" owl owl",
                chosen_id=best["record_id"],
                rejected_id=worst["record_id"],
                chosen_margin=best["verdict_margin"],
                rejected_margin=worst["verdict_margin"],
                margin=best["verdict_margin"] - worst["verdict_margin"],
            )
        )
    (folder / "candidates").mkdir(parents=True)
    (folder / "best-of-4").mkdir()
    schemas.write_records(folder / "candidates/shard-000.parquet", candidates, schemas.CANDIDATES)
    schemas.write_records(folder / "best-of-4/pairs.parquet", pairs, schemas.PAIRS)


def _write_training(folder: Path, start: float, steps: int, dpo: bool) -> None:
    rows = []
    for step in range(1, steps + 1):
        noise = random.Random(step).uniform(-0.03, 0.03)
        values = {"loss": start * 0.95**step + 0.2 + noise, "learning_rate": 1e-4}
        if dpo:
            values["rewards/margins"] = 0.08 * (step - 1)
        if step % (steps // 2) == 0:
            values["dev_success"] = 0.5 + 0.2 * step / steps
        rows += [
            {"step": step, "epoch": 2 * step / steps, "name": name, "value": values[name]} for name in values
        ]
    folder.mkdir(parents=True)
    schemas.write_records(folder / "metrics.parquet", rows, schemas.TRAINING_METRICS)
    write_json(folder / "training.json", {"stage": "training", "steps": steps, "first_step_loss": start})


def _metrics(path: Path, stage: str, metrics: dict, **evidence) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        path, {"stage": stage, "metrics": {name: {"value": metrics[name]} for name in metrics}, **evidence}
    )


def _write_calibration(path: Path, items: list[dict]) -> None:
    draw = random.Random(0)
    margins = [draw.gauss(1.2 if good else -1.2, 1.5) for _ in items for good in (True, False)]
    judgements = [
        critic.Judgement(margin, critic.sigmoid(margin), {"right": margin}, (margin, margin))
        for margin in margins
    ]
    path.parent.mkdir(parents=True)
    content_free = [{"text": "N/A", "by_principle": {"right": -0.4}}]
    principles = [critic.Principle("right", "Is it right?", 1.0)]
    write_json(path, calibration.calibration_report(items, judgements, 0.9, principles, content_free))


def _gate(results: Path, name: str, metrics: str, criteria: dict, override: str | None = None) -> None:
    settings = {"gate": {"name": name, "criteria": criteria, "override": override}}
    files = ["--metrics", str(results / metrics), "--decision", str(results / f"gates/{name}.json")]
    gate.main(["--settings", json.dumps(settings), *files, "--record-only"])


def make_run(root: Path, n: int = 60, rates=RATES, overrides=None, responses=None) -> Path:
    """Writes a finished run below `root`/results and returns that folder.

    `rates` {arm: success rate}; `overrides` {gate: reason}; `responses` {item_id: text} of the candidate.
    """
    results, overrides = root / "results", overrides or {}
    items = _items(n)
    for split in ("test", "dev"):
        (results / "test_set").mkdir(parents=True, exist_ok=True)
        schemas.write_records(results / f"test_set/{split}.parquet", items, schemas.ITEMS)
    for stage in ("evaluation", "dev_evaluation"):
        for arm, rate in rates.items():
            texts = responses if arm == PRIMARY["candidate"] and responses else {}
            _write_arm(results / stage / arm, arm, rate, items, texts)
    _write_records(results / "pilot/records.parquet", 40)
    _write_records(results / "generation/shard-000.parquet", 200)
    _write_pairs(results / "preferences", 40)
    for folder, start, dpo in (("sft", 2.0, False), ("sft-longer", 0.5, False), ("dpo/main", 0.5, True)):
        _write_training(results / "models" / folder, start, 24, dpo)

    identity = {"label": "tiny", "revision": None, "architecture": "Qwen2ForCausalLM", "parameters": 1810000}
    (results / "base").mkdir()
    write_json(
        results / "base/model.json",
        {**identity, "weights_sha256": "a" * 64, "files": {"config.json": "b" * 64}},
    )
    _metrics(results / "base/guard.json", "contamination_guard", {"special_tokens_in_prompts": 0})
    _metrics(results / "test_set/audit.json", "test_set", {"duplicates": 0, "capacity_ratio": 2.5})
    _metrics(results / "sft_data/overlap.json", "deduplicate", {"overlap_test": 0, "removed_test": 3})
    _write_calibration(results / "critic/calibration.json", items)
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

    comparisons = [["base", "dpo-main"], ["base_raw", "base"], ["base", "sft"], ["sft", "dpo-main"]]
    settings = json.dumps({"statistics": {**STATISTICS, "comparisons": comparisons}})
    scores = ["--scores", *arm_files(results, "scores", rates)]
    document = str(results / "statistics/comparisons.json")
    compare.main(["--settings", settings, *scores, "--comparisons", document])
    answers = ["--responses", *arm_files(results, "responses", rates), "--comparisons", document]
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
    return results


def arm_files(results: Path, name: str, arms=RATES) -> list[str]:
    """One file of every arm of the evaluation."""
    return [str(results / f"evaluation/{arm}/{name}.parquet") for arm in arms]
