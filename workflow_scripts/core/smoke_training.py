"""Two optimizer steps of SFT on exemplars, half of them as long as a row may be: does it fit, how fast."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import torch
from transformers import TrainerCallback

from workflow_scripts.core import prompts, schemas, training_data, training_setup
from workflow_scripts.core.completions import completion_of
from workflow_scripts.core.training_setup import Inputs

STEPS = 2


class StepTimer(TrainerCallback):
    """Seconds of each optimizer step, the GPU's work included."""

    def __init__(self):
        self.seconds, self.start = [], 0.0

    def _now(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.monotonic()

    def on_step_begin(self, args, state, control, **kwargs):
        """Called before the first forward pass of a step."""
        self.start = self._now()

    def on_step_end(self, args, state, control, **kwargs):
        """Called after the optimizer's update."""
        self.seconds.append(self._now() - self.start)


def longest_completion(tokenizer, prompt: str, response: str, max_length: int) -> str:
    """The response again and again, as often as fits with its prompt and the end token."""
    room = max_length - len(prompts.encode(tokenizer, prompt)) - 1
    completion = completion_of(response)
    times = max(1, room // len(prompts.encode(tokenizer, completion)))
    while times > 1 and len(prompts.encode(tokenizer, completion * times)) > room:
        times -= 1
    return completion * times


def example_rows(tokenizer, template, shown: Sequence[dict], settings: dict) -> list[dict]:
    """Rows of SFT_EXAMPLES for two full steps: exemplars as they are, and as many as long as they may be."""
    count = STEPS * settings["batch_size"] * settings["gradient_accumulation"]
    blank = {field.name: _blank(field) for field in schemas.SFT_EXAMPLES}
    rows = []
    for place in range(count):
        item = shown[place % len(shown)]
        prompt = prompts.render(template, instruction=item["instruction"])
        completion = completion_of(item["response"])
        if place % 2:
            completion = longest_completion(tokenizer, prompt, item["response"], settings["max_length"])
        named = {"record_id": f"smoke-{place}", "instruction": item["instruction"]}
        rows.append({**blank, **named, "prompt": prompt, "completion": completion})
    return rows


def _blank(field: pa.Field):
    """A value for a column that training does not read."""
    if field.nullable:
        return None
    return 0 if pa.types.is_integer(field.type) else False if pa.types.is_boolean(field.type) else "smoke"


def two_steps(settings: dict, directory: Path, template_file, shown: Sequence[dict]) -> dict:
    """Trains two steps from a model directory, keeps nothing, and says how it went.

    settings: the slices sft, engine and seed. Tokens are counted without padding.
    """
    template = prompts.load_template(template_file)
    with tempfile.TemporaryDirectory() as place:
        start = time.monotonic()
        data = Path(place) / "examples.parquet"
        inputs = Inputs(
            model=str(directory),
            data=str(data),
            dev="",
            template=str(template_file),
            settings={**settings["sft"], "max_examples": None},
            engine=settings["engine"],
            evaluation={},
            seed=settings["seed"] % 2**31,
            steps=STEPS,
        )
        tokenizer = training_setup.load_tokenizer(inputs)
        rows = example_rows(tokenizer, template, shown, settings["sft"])
        schemas.write_records(data, rows, schemas.SFT_EXAMPLES)
        trainer, features = training_setup.sft_trainer(inputs, Path(place) / "state")
        load_seconds = time.monotonic() - start
        timer = StepTimer()
        trainer.add_callback(timer)
        trainer.args.save_strategy = "no"
        trainer.train()
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    tokens = sum(entry["tokens"] for entry in logged)
    return {
        "steps": trainer.state.global_step,
        "longest_example": max(training_data.row_lengths(features)),
        "losses": [entry["loss"] for entry in logged],
        "training_tokens": tokens,
        "training_tokens_per_second": tokens / sum(timer.seconds),
        "training_load_seconds": load_seconds,
        "peak_gpu_bytes": torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0,
    }
