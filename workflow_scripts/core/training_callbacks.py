"""What happens around the optimizer steps: order of batches, counts, dev success after each epoch,
progress."""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback

from workflow_scripts.core import training_state, usage
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.progress import Progress
from workflow_scripts.core.runtime import say
from workflow_scripts.core.training_adapters import save_adapter

BATCHES_SORTED_TOGETHER = 8
# Loss of a pair whose log-ratios are both 0, for each of TRL's loss types that is offered.
LOSS_AT_REFERENCE = {
    "sigmoid": lambda beta: math.log(2),
    "sigmoid_norm": lambda beta: math.log(2),
    "hinge": lambda beta: 1.0,
    "ipo": lambda beta: 1 / (2 * beta) ** 2,
}
# A reference that was computed beforehand stood in other batches: other padding, other rounding.
REFERENCE_TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2, "float16": 2e-2}


class LengthGroupedSampler(Sampler):
    """Shuffled rows, cut into batches of similar length; the batches come in random order.

    A function of (seed, epoch) alone, so that a resumed epoch has the order it began with. The library's own
    draws from the global generator, whose state at the start of the epoch is gone by then.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int):
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose order comes next; called by the trainer."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        rows = torch.randperm(len(self.lengths), generator=generator).tolist()
        pool = BATCHES_SORTED_TOGETHER * self.batch_size
        pools = [rows[start : start + pool] for start in range(0, len(rows), pool)]
        rows = [row for rows in pools for row in sorted(rows, key=self.lengths.__getitem__)]
        batches = [rows[start : start + self.batch_size] for start in range(0, len(rows), self.batch_size)]
        # The short batch stays last: a trainer counts on full batches before it.
        whole = len(rows) // self.batch_size
        order = torch.randperm(whole, generator=generator).tolist() + list(range(whole, len(batches)))
        return iter([row for place in order for row in batches[place]])


class TrainerAdditions:
    """Mixed into a TRL trainer: batches by length, and for each step the tokens seen and the tokens trained
    on.

    The counts go through the log, which a checkpoint keeps. `lengths` is set after the trainer is built.
    """

    lengths: Sequence[int]

    def _get_train_sampler(self, train_dataset=None) -> Sampler:
        return LengthGroupedSampler(self.lengths, self.args.per_device_train_batch_size, self.args.seed)

    def training_step(self, model, inputs, num_items_in_batch=None):
        """One forward and backward pass, counted."""
        counts = self.__dict__.setdefault("_counts", {"tokens": 0, "trained_tokens": 0})
        trained = inputs["completion_mask"] if "completion_mask" in inputs else inputs["labels"] != -100
        # Packed batches have no mask: every place is a token.
        counts["tokens"] += int(inputs.get("attention_mask", inputs["input_ids"] != -1).sum())
        counts["trained_tokens"] += int(trained.sum())
        return super().training_step(model, inputs, num_items_in_batch)

    def log(self, logs: dict, start_time=None) -> None:
        """Log with the counts since the last log of a step."""
        if "loss" in logs:
            if not math.isfinite(logs["loss"]):
                remedy = f"the loss is {logs['loss']} at step {self.state.global_step}: lower it"
                raise InputError(field="learning_rate", value=self.args.learning_rate, remedy=remedy)
            logs.update(self.__dict__.pop("_counts"))
            usage.count(training_tokens=logs["tokens"])
        super().log(logs, start_time)

    def create_model_card(self, *arguments, **named) -> None:
        """Nothing: a checkpoint of the state directory needs no card."""


class CheckpointMarker(TrainerCallback):
    """Marks a checkpoint as complete once all of it is written."""

    def on_save(self, args, state, control, **kwargs):
        """Called after a checkpoint's last file."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (checkpoint / training_state.COMPLETE).touch()


class DevSuccess(TrainerCallback):
    """After each epoch: dev success, the adapter kept when it is the best so far, a checkpoint, early
    stopping.

    `measure(model)` returns the share of dev items answered rightly.
    """

    def __init__(self, measure: Callable, early_stopping: dict | None, directory: Path, label: str):
        self.measure, self.early_stopping, self.label = measure, early_stopping, label
        self.best = directory / training_state.BEST_ADAPTER

    def on_step_end(self, args, state, control, **kwargs):
        """No checkpoint between an epoch's last step and its measurement: a resume would skip the
        measurement."""
        if state.epoch == int(state.epoch) or state.global_step >= state.max_steps:
            control.should_save = False

    def on_epoch_end(self, args, state, control, model=None, **kwargs):
        """Measures; the model and the random number generators are afterwards as they were."""
        model.eval()
        with torch.random.fork_rng():
            success = self.measure(model)
        model.train()
        state.log_history.append({"dev_success": success, "epoch": state.epoch, "step": state.global_step})
        history = training_state.dev_history(state)
        if training_state.best_epoch(history) is history[-1]:
            unfinished = self.best.with_suffix(".writing")
            save_adapter(model, unfinished)
            os.replace(unfinished, self.best)
        control.should_save = True
        if training_state.is_exhausted(history, self.early_stopping):
            control.should_training_stop = True
        say(f"{self.label}: epoch {state.epoch:.2f}, step {state.global_step}: dev success {success:.1%}")


class ReferenceCheck(TrainerCallback):
    """Stops DPO after its first step unless policy and reference were the same model before it.

    The adapter is new, so that every margin must be 0, and the loss that of a margin of 0 (ln 2 for
    "sigmoid").
    """

    def __init__(self, settings: dict, dtype: str, model):
        self.expected = LOSS_AT_REFERENCE[settings["loss_type"]](settings["beta"])
        self.with_nll = bool(settings["nll_weight"])
        self.tolerance, self.model = REFERENCE_TOLERANCE[dtype], model

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Judges the first step's log."""
        if state.global_step != 1 or "loss" not in logs:
            return
        rewards = {name: logs[f"rewards/{name}"] for name in ("chosen", "rejected", "margins")}
        wrong = [name for name, value in rewards.items() if abs(value) > self.tolerance]
        if not self.with_nll and abs(logs["loss"] - self.expected) > self.tolerance:
            wrong.append("loss")
        if wrong:
            remedy = (
                f"policy and reference differ before the first update ({', '.join(wrong)}; margin"
                f" {rewards['margins']:.6f}, wanted 0): start DPO from a merged model, with a new adapter"
            )
            raise InputError(file=self.model, field="first-step loss", value=logs["loss"], remedy=remedy)


class MemoryUse(TrainerCallback):
    """Counts the memory held when training starts and when it ends, and prints it with the peak."""

    def __init__(self, label: str):
        self.label = label

    def _count(self, moment: str, model) -> None:
        on_gpu = model.device.type == "cuda"
        gpu, peak = (torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()) if on_gpu else (0, 0)
        resident = psutil.Process().memory_info().rss
        usage.count(**{f"{moment}_gpu_bytes": gpu, f"{moment}_rss_bytes": resident})
        say(
            f"{self.label}: at the {moment} of training {gpu / 1e9:.2f} GB on the GPU (peak"
            f" {peak / 1e9:.2f} GB), {resident / 1e9:.2f} GB in memory"
        )

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        """Base and adapter, before the optimizer has its moments."""
        self._count("start", model)

    def on_train_end(self, args, state, control, model=None, **kwargs):
        """All of it."""
        self._count("end", model)


class ProgressLines(TrainerCallback):
    """Prints steps, loss, tokens per second and the time left, a line every few seconds."""

    def __init__(self, label: str):
        self.label, self.tokens = label, 0

    def on_train_begin(self, args, state, control, **kwargs):
        """Starts to count; a resumed training counts what is left."""
        if state.global_step:
            say(f"{self.label}: goes on after step {state.global_step} of {state.max_steps}")
        self.start = time.monotonic()
        self.progress = Progress(state.max_steps - state.global_step, "steps", self.label)

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Counts a step; called once per step."""
        if "loss" in logs:
            self.tokens += logs["tokens"]
            rate = self.tokens / max(time.monotonic() - self.start, 1e-9)
            self.progress.label = f"{self.label}: loss {logs['loss']:.4f}, {rate:,.0f} tokens/s"
            self.progress.advance()
