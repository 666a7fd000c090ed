"""The data of a small finished run for tests of the report: records, pairs, training logs, the critic."""

import random
from pathlib import Path

from workflow_scripts.core import calibration, critic, hashing, schemas
from workflow_scripts.core.constitution import Principle
from workflow_scripts.core.outputs import write_json

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


def record(**columns) -> dict:
    """A record with the columns that all records have."""
    content = {"prompt_sha256": "0" * 64, "seed": 1, "provenance": PROVENANCE, **columns}
    return {"record_id": hashing.record_id(**content), **content}


def write_records(path: Path, count: int) -> None:
    """Generated records of which the critic accepts about half."""
    rows = []
    for place in range(count):
        draw = random.Random(place)
        malformed, margin = draw.random() < 0.05, draw.gauss(0.6, 1.6)
        accepted = not malformed and margin > 0.5
        rows.append(
            record(
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


def write_pairs(folder: Path, count: int) -> None:
    """Candidates and the pairs cut from them."""
    candidates, pairs = [], []
    for place in range(count):
        sides = []
        for candidate, margin in ((0, 1.0 + place % 7 / 2), (1, -0.5 - place % 3)):
            sides.append(
                record(
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
            record(
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


def write_training(folder: Path, start: float, steps: int, dpo: bool) -> None:
    """The report and the logged metrics of a training run."""
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
    counted = {"examples": 8 * steps, "tokens_seen": 300 * steps, "best_dev_success": 0.7}
    folder.mkdir(parents=True)
    schemas.write_records(folder / "metrics.parquet", rows, schemas.TRAINING_METRICS)
    write_json(
        folder / "training.json", {"stage": "training", "steps": steps, "first_step_loss": start, **counted}
    )


def write_calibration(path: Path, items: list[dict]) -> None:
    """A critic that is fairly good on the calibration items."""
    draw = random.Random(0)
    margins = [draw.gauss(1.2 if good else -1.2, 1.5) for _ in items for good in (True, False)]
    judgements = [
        critic.Judgement(margin, critic.sigmoid(margin), {"right": margin}, (margin, margin))
        for margin in margins
    ]
    path.parent.mkdir(parents=True)
    content_free = [{"text": "N/A", "by_principle": {"right": -0.4}}]
    principles = [Principle("right", "Is it right?", 1.0)]
    write_json(path, calibration.calibration_report(items, judgements, 0.9, principles, content_free))
