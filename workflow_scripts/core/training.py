"""One training from inputs to outputs: resumed where a killed one stopped, the best epoch's adapter kept.

A training is a function of its inputs, settings and code: two runs write equal bytes, and so does a run that
was killed and went on.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from workflow_scripts.core import (
    hashing,
    schemas,
    tracking,
    training_adapters,
    training_callbacks,
    training_cap,
    training_data,
    training_dev,
    training_state,
    training_tracking,
    usage,
)
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.outputs import write_json
from workflow_scripts.core.runtime import say
from workflow_scripts.core.training_setup import Inputs

REWARD_MARGIN = "rewards/margins"  # TRL's name: mean of chosen minus rejected reward


def steps_of(path) -> int:
    """The optimizer steps that another training took, from its training.json. InputError when it took
    none."""
    try:
        steps = json.loads(Path(path).read_text(encoding="utf-8"))["steps"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        raise InputError(file=path, field="steps", remedy="give the training.json of a training") from None
    if steps < 1:
        raise InputError(file=path, field="steps", value=steps, remedy="give a training of one step or more")
    return steps


def run(trainer, directory: Path, early_stopping: dict | None):
    """Train to the end, from the last complete checkpoint in the directory if there is one. Returns the
    trainer's state."""
    checkpoint = training_state.latest_checkpoint(directory)
    if checkpoint is not None:
        state = training_state.read_state(checkpoint)
        if training_state.is_finished(state, early_stopping):
            return state
    with usage.timed("training_seconds"):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return trainer.state


def summary(label: str, inputs_digest: dict, trainer, features: list[dict], state, dev_items: int) -> dict:
    """training.json: what was trained, on what, for how long in steps and tokens, and how it went. Holds no
    time."""
    steps = training_state.logged_steps(state)
    history = training_state.dev_history(state)
    best = training_state.best_epoch(history)
    parameters = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    settings, dtype = inputs_digest["settings"], inputs_digest["engine"]["dtype"]
    margin = {"first_step_margin": steps[0][REWARD_MARGIN]} if REWARD_MARGIN in steps[0] else {}
    return {
        "stage": label,
        **inputs_digest,
        "steps": state.global_step,
        "planned_steps": state.max_steps,
        "epochs": state.epoch,
        "examples": len(features),
        "truncated_examples": 0,  # a row that would be cut is refused
        "longest_example": max(training_data.row_lengths(features)),
        "tokens_seen": sum(entry["tokens"] for entry in steps),
        "trained_tokens": sum(entry["trained_tokens"] for entry in steps),
        "trainable_parameters": sum(parameter.numel() for parameter in parameters),
        "precision": {"base": settings["quantization"] or dtype, "compute": dtype, "trained": "float32"},
        "learning_rate": settings["learning_rate"],
        "warmup_steps": int(trainer.args.warmup_steps),
        "first_step_loss": steps[0]["loss"],
        **margin,
        "final_loss": steps[-1]["loss"],
        "dev_items": dev_items,
        "dev_success": history,
        "best_epoch": best["epoch"],
        "best_step": best["step"],
        "best_dev_success": best["success"],
        "stopped_early": state.global_step < state.max_steps,
    }


def train(
    label: str, inputs: Inputs, make_trainer: Callable, digest: dict, weights, outputs: tuple[Path, ...]
) -> dict:
    """Train an adapter and write it.

    `make_trainer(inputs, directory)` gives (trainer, features). `weights` is the declared place of the
    weights, beside which the state lies; `outputs` are the paths to write: weights, adapter config,
    training.json, metrics.parquet. Returns what training.json holds. Afterwards remove the state with
    `training_state.remove_states(weights)`, once the outputs are in their places.
    """
    directory = training_state.state_directory(weights, training_state.fingerprint(stage=label, **digest))
    trainer, features = make_trainer(inputs, directory)
    measure, dev_items = training_dev.measure_dev(
        inputs.dev, inputs.template, trainer.processing_class, inputs.engine["batch_size"], inputs.evaluation
    )
    early_stopping = None if inputs.steps else inputs.settings["early_stopping"]
    trainer.add_callback(training_callbacks.MemoryUse(label))
    trainer.add_callback(training_callbacks.ProgressLines(label))
    trainer.add_callback(training_callbacks.DevSuccess(measure, early_stopping, directory, label))
    training_tracking.track(
        trainer, tracking.stated(), f"{label}-{Path(weights).parent.name}-{directory.name[:8]}"
    )
    trainer.add_callback(training_cap.EndAtCap())
    say(f"{label}: {len(features)} examples, {dev_items} dev items")
    state = run(trainer, directory, early_stopping)
    weights_out, config_out, training_out, metrics_out = outputs
    shutil.copyfile(directory / training_state.BEST_ADAPTER, weights_out)
    write_json(config_out, training_adapters.adapter_record(trainer.model, digest["model"]["id"]))
    record = {
        **summary(label, digest, trainer, features, state, dev_items),
        "adapter_sha256": hashing.sha256_file(weights_out),
    }
    write_json(training_out, record)
    schemas.write_records(metrics_out, training_state.metric_rows(state), schemas.TRAINING_METRICS)
    return record
