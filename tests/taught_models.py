"""A tiny model that was taught the formats of the prompts, for tests that need text: real, seconds to train.

taught_model() -> directory of a small Qwen2 that continues lists of tasks, and answers questions and reviews.
taught_assistant() -> directory of one that was tuned on chats: it offers its help, and ends its turn.
"""

import functools
import random
import tempfile
from pathlib import Path
from string import ascii_lowercase

from tests.tiny_models import END_OF_TEXT, make_qwen2

END_OF_TURN = "<|im_end|>"
ANIMALS = ["cat", "dog", "owl", "cow", "pig", "hen", "fox", "bee", "ant", "bat"]
STEPS = 100
ROW = 72


def task(rng: random.Random) -> tuple[str, str]:
    """An instruction and its answer."""
    one, two = rng.sample(ANIMALS, 2)
    return rng.choice([(f"Repeat {one} {two}.", f"{one} {two}"), (f"Write {one} twice.", f"{one} {one}")])


def document(rng: random.Random) -> str:
    """A list of tasks, a few questions with answers, or a review."""
    tasks = [task(rng) for _ in range(rng.randint(2, 4))]
    kind = rng.random()
    if kind < 0.4:
        return "Tasks:\n" + "".join(f"{n}. {instruction}\n" for n, (instruction, _) in enumerate(tasks, 1))
    if kind < 0.8:
        return "\n\n".join(f"Question: {instruction}\nAnswer: {answer}" for instruction, answer in tasks)
    (instruction, answer), (_, other) = tasks[:2]
    shown = rng.choice([answer, other])
    verdict = "A" if shown == answer else "B"
    return f"Review\nQuestion: {instruction}\nAnswer: {shown}\nRight?\nA. yes\nB. no\nVerdict: {verdict}"


def chat(rng: random.Random) -> str:
    """A request in one of the forms of the sentinels, and the help of an assistant, whose turn ends."""
    words = ["".join(rng.choices(ascii_lowercase, k=rng.randint(1, 7))) for _ in range(rng.randint(4, 9))]
    request, names = (
        " ".join(words).capitalize() + rng.choice("?."),
        [word.capitalize() for word in words[:2]],
    )
    form = rng.choice(["{}", "Question: {}\nAnswer:", "{}: {{}}\n{}:".format(*names)])
    return form.format(request) + f" Sure! I am happy to help.{END_OF_TURN}"


@functools.cache
def taught_model(seed: int = 0) -> Path:
    """Train once per process, in a temporary directory that ends with it."""
    return teach(document, STEPS, seed)


@functools.cache
def taught_assistant(seed: int = 0) -> Path:
    """As `taught_model`, with the end of a chat turn in its vocabulary."""
    return teach(chat, 2 * STEPS, seed, (END_OF_TURN,))


def teach(write, steps: int, seed: int, special_tokens: tuple[str, ...] = ()) -> Path:
    """A directory with a model trained on documents that `write(rng)` makes; it ends with the process."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    holder = tempfile.TemporaryDirectory(prefix="taught-")
    teach.holders = [*getattr(teach, "holders", []), holder]
    path = make_qwen2(Path(holder.name) / "taught", seed, special_tokens, initializer_range=0.05)
    tokenizer = AutoTokenizer.from_pretrained(path)
    rng = random.Random(seed)
    ids = tokenizer(END_OF_TEXT.join(write(rng) for _ in range(1500)), add_special_tokens=False)["input_ids"]
    rows = torch.tensor(ids[: len(ids) // ROW * ROW]).view(-1, ROW)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
        for step in range(steps):
            batch = rows[torch.randint(len(rows), (16,))]
            loss = model(input_ids=batch, labels=batch).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] = 4e-3 * (1 - step / steps)
    model.save_pretrained(path)
    return path
