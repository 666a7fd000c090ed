"""What a job that needs a model left behind, held against itself and against its inputs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from workflow_scripts.core import calibration, critic_prior, hashing, prompts, schemas
from workflow_scripts.core.critic import auc, find_threshold
from workflow_scripts.core.engines import Generation
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.metrics import rate
from workflow_scripts.core.sentinels import battery, observation, rates
from workflow_scripts.core.verification import comparing
from workflow_scripts.core.verification.findings import Finding
from workflow_scripts.core.verification.jobs import Job

ROC, TRAINED, OUTCOMES = (
    "from the ROC curve in the file",
    "from its data and metrics",
    "from the outcomes in the file",
)


def found_in(name: str, expected: dict, document: dict, check: str) -> list[Finding]:
    """The first field of `expected` that a document has otherwise."""
    kept = {field: document.get(field, comparing.ABSENT) for field in expected}
    return [Finding(name, *place, check) for place in list(comparing.differences(expected, kept))[:1]]


def margins_of(points: list[dict], pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """(margins, is_good), in no order, of `pairs` good and as many bad answers, from their ROC curve."""
    margins, good, before = [], [], (0, 0)
    for point in points:
        now = tuple(round(point[f"{side}_positive_rate"] * pairs) for side in ("true", "false"))
        for is_good, count in zip((True, False), np.subtract(now, before), strict=True):
            margins += [point["threshold"]] * int(count)
            good += [is_good] * int(count)
        before = now
    return np.array(margins), np.array(good, dtype=bool)


def check_calibration(job: Job, name: str, path: str, tokenizer) -> list[Finding]:
    """The critic's calibration: what can be computed of the margins, which the ROC curve holds."""
    report = read_json(path)
    items = schemas.read_records(job.options["calibration"][0], schemas.ITEMS)
    target = json.loads(job.options["settings"][0])["critic"]["target_precision"]
    margins, is_good = margins_of(report["roc"], len(items))
    if len(margins) != 2 * len(items):
        return [Finding(name, "roc", f"{2 * len(items)} answers", f"{len(margins)} answers", ROC)]
    found = find_threshold(margins, is_good, target)
    accepted_right = round(found["precision"] * found["accepted"])
    bins = calibration.reliability(margins, is_good)
    n = len(margins)
    metrics = {
        "auc": calibration.auc_metric(margins, is_good.tolist()),
        "accuracy": rate(int(((margins > 0) == is_good).sum()), n),
        "calibration_error": {"value": calibration.calibration_error(bins), "n": n},
        "threshold_precision": rate(accepted_right, found["accepted"]),
        "recall": rate(accepted_right, len(items)),
        "reached": {"value": float(found["reached"]), "n": n},
    }
    expected = {
        "threshold": found["threshold"],
        "target_precision": target,
        "content_free_prior": critic_prior.mean_prior(report["content_free"]),
        "reliability": bins,
        "metrics": {**report["metrics"], **metrics},
    }
    assert auc(margins, is_good) == metrics["auc"]["value"]
    return found_in(name, expected, report, ROC)


def check_sentinels(job: Job, name: str, path: str, tokenizer) -> list[Finding]:
    """The sentinels: signs from the continuations, rates and tests from the outcomes, their digests."""
    report = read_json(path)
    sentinels = battery.load_sentinels(job.options["sentinels"][0])
    template = prompts.load_template(job.options["template"][0])
    digest, weights = sentinels.sha256(template), read_json(job.options["model"][0])["weights_sha256"]
    recorded = job.options.get("recorded-rates") or []
    known = rates.read_recorded(recorded[0], digest, weights) if recorded else None
    outcomes = []
    for sentinel, text, row in zip(
        sentinels.sentinels, sentinels.texts(template), report["outcomes"], strict=True
    ):
        written = Generation(row["continuation"], (), row["finish_reason"])
        signs = observation.signs_of(text, written, tokenizer)
        # A chat marker may be a special token, which the text on record leaves out.
        signs["chat_marker"] |= row["chat_marker"]
        outcomes.append({**row, "id": sentinel["id"], "kind": sentinel["kind"], **signs})
    expected = rates.sentinel_report(outcomes, known, observation.chat_end_tokens(tokenizer))
    expected |= {"battery_sha256": digest, "weights_sha256": weights}
    return found_in(name, expected, report, OUTCOMES)


def check_training(job: Job, name: str, path: str, tokenizer) -> list[Finding]:
    """training.json against the adapter, the data, the template and the metrics per step."""
    report = read_json(path)
    weights = next(file for file in job.outputs if file.endswith(".safetensors"))
    metrics = next(file for file in job.outputs if file.endswith(".parquet"))
    data = (job.options.get("examples") or job.options.get("pairs"))[0]
    rows = schemas.read_records(metrics, schemas.TRAINING_METRICS)
    losses = [row["value"] for row in rows if row["name"] == "loss"]
    history = report["dev_success"]
    expected = {
        **({"adapter_sha256": hashing.sha256_file(weights)} if Path(weights).is_file() else {}),
        "data_sha256": hashing.sha256_file(data),
        "dev_sha256": hashing.sha256_file(job.options["dev"][0]),
        "template_sha256": prompts.load_template(job.options["template"][0]).sha256,
        "dev_items": len(schemas.read_records(job.options["dev"][0], schemas.ITEMS)),
        "best_dev_success": max(entry["success"] for entry in history),
    }
    if losses:
        expected |= {"first_step_loss": losses[0], "final_loss": losses[-1]}
    lora = report["settings"]["lora"]
    config = next(file for file in job.outputs if file.endswith("adapter_config.json"))
    adapter = {"r": lora["rank"], "lora_alpha": lora["alpha"]}
    return [
        *found_in(name, expected, report, TRAINED),
        *found_in(name.replace("training.json", "adapter_config.json"), adapter, read_json(config), TRAINED),
    ]


def check_merge(job: Job, name: str, path: str, tokenizer) -> list[Finding]:
    """A merged model's record of what was merged into what, where the model is in this copy."""
    lineage = Path(job.directories[0]) / "merge.json"
    weights = Path(job.options["weights"][0])
    if not (lineage.is_file() and weights.is_file()):
        return []
    expected = {"adapter_sha256": hashing.sha256_file(weights)}
    return found_in(
        f"{name.removesuffix('.json')}/merge.json", expected, read_json(lineage), "the adapter's file"
    )


def check_base(job: Job, name: str, path: str, tokenizer) -> list[Finding]:
    """The base's identity: its digests of tokenizer and weights follow from its list of files."""
    identity = read_json(path)
    base = json.loads(job.options["settings"][0])["base_model"]
    expected = {
        "repo" if base["repo"] else "path": base["repo"] or base["path"],
        "revision": base["revision"],
        "weights_sha256": hashing.weights_digest(identity["files"]),
    }
    return found_in(name, expected, identity, "from its list of files and the configuration")


# Module -> (the output that is looked at, by the end of its name; the check; whether it needs the tokenizer).
EVIDENCE: dict[str, tuple[str, Callable, bool]] = {
    "base_model": ("model.json", check_base, False),
    "critic_calibration": ("calibration.json", check_calibration, False),
    "sentinels": ("sentinels.json", check_sentinels, True),
    "train_sft": ("training.json", check_training, False),
    "train_dpo": ("training.json", check_training, False),
    "merge_adapter": ("-merged.json", check_merge, False),
}
