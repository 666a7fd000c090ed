"""Trackers hear of a training by its log; what they do cannot reach it."""

from pathlib import Path

from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback, WandbCallback

from workflow_scripts.core.runtime import say
from workflow_scripts.core.tracking import Tracking

# A GPU waits for W&B no longer: what was not sent by then is on the disk, for `wandb sync`.
INIT_SECONDS, FINISH_SECONDS = 30.0, 60.0
DEV = "eval_dev_success"  # shown as eval/dev_success


class TensorBoard(TensorBoardCallback):
    """Curves in `directory/tensorboard/name`: a training that goes on after a kill goes on there, too."""

    def __init__(self, tracking: Tracking, name: str):
        super().__init__()
        self.logging_dir = str(Path(tracking.directory) / "tensorboard" / name)


class WeightsAndBiases(WandbCallback):
    """Curves as a W&B run called `name`, whose files lie in `directory/wandb`. WANDB_MODE=offline sends
    nothing."""

    def __init__(self, tracking: Tracking, name: str):
        super().__init__()
        self.tracking, self.name = tracking, name

    def setup(self, args, state, model, **kwargs):
        """Begins the run; where that fails the training goes on without it."""
        Path(self.tracking.directory).mkdir(parents=True, exist_ok=True)
        settings = self._wandb.Settings(
            **{"console": "off", "silent": True, "disable_git": True, "disable_code": True},
            **{"init_timeout": INIT_SECONDS, "finish_timeout": FINISH_SECONDS},
        )
        try:
            run = self._wandb.init(
                project=self.tracking.project, name=self.name, dir=self.tracking.directory, settings=settings
            )
        except self._wandb.errors.Error as error:
            say(f"W&B is left out: {' '.join(str(error).split())}")
            self._wandb = None
            return
        say(f"W&B: {run.dir if run.offline else run.url}")
        super().setup(args, state, model, **kwargs)

    def on_train_end(self, args, state, control, **kwargs):
        """Waits until all is written, or sent."""
        super().on_train_end(args, state, control, **kwargs)
        if self._wandb is not None:
            self._wandb.finish()


class DevCurve(TrainerCallback):
    """Tells trackers of dev success, which is no log of a step. Added after what measures it."""

    def __init__(self, trackers: list[TrainerCallback]):
        self.trackers = trackers

    def on_epoch_end(self, args, state, control, **kwargs):
        """Passes on what was measured last."""
        measured = state.log_history[-1]
        for tracker in self.trackers:
            logs = {DEV: measured["dev_success"], "epoch": measured["epoch"]}
            tracker.on_log(args, state, control, logs=logs, **kwargs)


KINDS = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}


def track(trainer, tracking: Tracking | None, name: str) -> None:
    """Lets the trackers that were asked for hear of a training."""
    if tracking is None:
        return
    trackers = [KINDS[kind](tracking, name) for kind in tracking.report_to]
    for callback in (*trackers, DevCurve(trackers)):
        trainer.add_callback(callback)
