"""Best-of-N candidates: several answers to an instruction, each from its own seed, each judged by the critic.

A candidate is a function of (root seed, instruction, number): shards, their count and the order of
instructions change nothing, and the first two of four candidates are the candidates of a best-of-2.
"""

from collections.abc import Sequence

from workflow_scripts.core import hashing, prompts
from workflow_scripts.core.answers import (
    answer_columns,
    continue_prompts,
    rejection,
    sampling_of,
)
from workflow_scripts.core.deduplication.exact import instruction_sha256
from workflow_scripts.core.engines import Engine
from workflow_scripts.core.verdicts import judge_distinct


def shard_slice(count: int, shard: int, shards: int) -> range:
    """Positions of one of `shards` contiguous, almost equal parts of `count` things."""
    return range(count * shard // shards, count * (shard + 1) // shards)


def sample(
    engine: Engine, template, instructions: Sequence[str], settings: dict, root_seed: int
) -> list[dict]:
    """`settings["candidates"]` answers to each instruction, decoded with `settings["sampling"]`.

    Rows lack the verdict. Usable ones are finished, not empty and free of the prompt's delimiters.
    """
    asked = [(text, number) for text in instructions for number in range(settings["candidates"])]
    names = [instruction_sha256(text) for text, _ in asked]
    seeds = [
        hashing.derive_seed(root_seed, "candidates", name, number)
        for name, (_, number) in zip(names, asked, strict=True)
    ]
    texts = [prompts.render(template, instruction=text) for text, _ in asked]
    sampling = sampling_of(settings["sampling"])
    sent, generations = continue_prompts(engine, texts, seeds, sampling, "candidates")
    rows = []
    for place, (instruction, number) in enumerate(asked):
        answer = answer_columns(sent[place], generations[place])
        content = {
            "seed": seeds[place],
            "instruction_id": names[place],
            "instruction": instruction,
            "prompt": texts[place],
            "candidate": number,
            "usable": rejection(answer) is None,
            **answer,
        }
        rows.append({"record_id": hashing.record_id(**content), **content})
    return rows


def judge(engine: Engine, template, principles: Sequence, rows: Sequence[dict]) -> list[dict]:
    """The rows with the critic's verdict on the usable ones, and null on the others."""
    pairs = [(row["instruction"], row["response"]) for row in rows if row["usable"]]
    verdicts = iter(judge_distinct(engine, template, principles, pairs, "verdicts"))
    judged = []
    for row in rows:
        verdict = next(verdicts) if row["usable"] else None
        margin, p_yes = (verdict.margin, verdict.p_yes) if verdict else (None, None)
        judged.append({**row, "verdict_margin": margin, "p_yes": p_yes})
    return judged
