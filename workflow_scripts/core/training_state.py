"""What a killed training leaves behind, and how the next one finds it: state directories, checkpoints,
results.

The state of a training lies in `<directory of its weights>/.state/<fingerprint>/`, outside every declared
output, as Snakemake deletes a failed job's outputs. The fingerprint is a digest of all that the result
depends on, so that a training whose input, setting or code has changed starts anew.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from transformers import TrainerState

from workflow_scripts.core import hashing

COMPLETE = "complete"  # a file in a checkpoint, written last: without it the checkpoint was cut short
BEST_ADAPTER = "best_adapter.safetensors"
NOT_METRICS = {"epoch", "step", "num_tokens"}  # TRL's num_tokens starts at 0 again after a resume


def fingerprint(**content) -> str:
    """SHA-256 over canonical JSON of all that a training's result depends on."""
    return hashing.sha256_text(hashing.canonical_json(content))


def state_directory(weights, name: str) -> Path:
    """The (made) directory of one training's state, beside the file that its weights go to."""
    directory = Path(weights).parent / ".state" / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def remove_states(weights) -> None:
    """Remove all training states beside a weights file, those of other fingerprints too."""
    shutil.rmtree(Path(weights).parent / ".state")


def latest_checkpoint(directory: Path) -> Path | None:
    """The last complete checkpoint, or None. Those cut short are removed."""
    complete = []
    for checkpoint in directory.glob("checkpoint-*"):
        if (checkpoint / COMPLETE).is_file():
            complete.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def read_state(checkpoint: Path) -> TrainerState:
    """The trainer's state in a checkpoint: steps done, and everything logged so far."""
    return TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))


def dev_history(state: TrainerState) -> list[dict]:
    """Dev success after each epoch so far: [{"epoch", "step", "success"}]."""
    return [
        {"epoch": entry["epoch"], "step": entry["step"], "success": entry["dev_success"]}
        for entry in state.log_history
        if "dev_success" in entry
    ]


def best_epoch(history: Sequence[dict]) -> dict:
    """The entry with the highest dev success; the earliest of equals."""
    return max(history, key=lambda entry: entry["success"])


def is_exhausted(history: Sequence[dict], early_stopping: dict | None) -> bool:
    """Whether {patience, min_delta} ends training: `patience` epochs in a row none of which beat the best
    before them by more than min_delta. Never for None."""
    if early_stopping is None:
        return False
    best, waited = float("-inf"), 0
    for entry in history:
        if entry["success"] > best + early_stopping["min_delta"]:
            best, waited = entry["success"], 0
        else:
            waited += 1
    return waited >= early_stopping["patience"]


def is_finished(state: TrainerState, early_stopping: dict | None) -> bool:
    """Whether a checkpoint's training was over, so that only its outputs were still to be written."""
    return state.global_step >= state.max_steps or is_exhausted(dev_history(state), early_stopping)


def logged_steps(state: TrainerState) -> list[dict]:
    """The log entries of optimizer steps, one each."""
    return [entry for entry in state.log_history if "loss" in entry]


def metric_rows(state: TrainerState) -> list[dict]:
    """Rows of TRAINING_METRICS: one per logged number of a step, and dev_success after each epoch."""
    return [
        {"step": entry["step"], "epoch": float(entry["epoch"]), "name": name, "value": float(value)}
        for entry in state.log_history
        if "loss" in entry or "dev_success" in entry
        for name, value in sorted(entry.items())
        if name not in NOT_METRICS
    ]
