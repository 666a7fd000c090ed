"""Records that the base model writes and judges by itself: an instruction, its answer, the critic's verdict.

Everything drawn for a record is a function of (root seed, stream, shard, index, purpose): the exemplars it
is shown, its instruction, its answer. A record is therefore the same whatever else is generated beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from workflow_scripts.core import cleaning, hashing, prompts
from workflow_scripts.core.answers import (
    answer_columns,
    continue_prompts,
    rejection,
    sampling_of,
)
from workflow_scripts.core.engines import Engine
from workflow_scripts.core.exemplars import draw_exemplars, draw_varied_exemplars
from workflow_scripts.core.guidance import Guidance
from workflow_scripts.core.verdicts import judge_distinct

NOT_ANSWERED = {
    "response_raw": "",
    "response": "",
    "finish_reason": "",
    "response_tokens": 0,
    "prompt_tokens": 0,
    "verdict_margin": None,
    "p_yes": None,
    "accepted": False,
}
VERDICT = ("verdict_margin", "p_yes", "accepted", "rejected_reason")


@dataclass(frozen=True)
class Stream:
    """Where records stand: a root seed, a stream's name ("pilot", "generation"), a shard's number."""

    root_seed: int
    name: str
    shard: int

    def seed(self, index: int, purpose: str) -> int:
        """The seed of one record's draw for one purpose."""
        return hashing.derive_seed(self.root_seed, self.name, self.shard, index, purpose)


def instruction_prompt(
    template, exemplars: Sequence[dict], shots: int, guidance: Guidance | None, stream: Stream, index: int
) -> str:
    """A numbered list of one record's own draw of exemplar instructions, with its own guidance if any."""
    drawn = draw_varied_exemplars(exemplars, shots, stream.seed(index, "instruction_exemplars"))
    asked = guidance.draw(stream.seed(index, "guidance")) if guidance else {}
    return prompts.render(template, exemplars=[item["instruction"] for item in drawn], **asked)


def write_instructions(
    engine: Engine,
    template,
    exemplars: Sequence[dict],
    settings: dict,
    stream: Stream,
    size: int,
    guidance: Guidance | None = None,
) -> list[dict]:
    """`size` new instructions, each by continuing its `instruction_prompt`.

    Returns records with what is known so far. A malformed one has a rejected_reason, and its text as it came.
    """
    texts = [
        instruction_prompt(template, exemplars, settings["shots"], guidance, stream, index)
        for index in range(size)
    ]
    seeds = [stream.seed(index, "instruction") for index in range(size)]
    ids, generations = continue_prompts(engine, texts, seeds, sampling_of(settings), "instructions")
    records = []
    for index, (sent, generation) in enumerate(zip(ids, generations, strict=True)):
        instruction = cleaning.clean_instruction(generation.text)
        reason = "malformed_instruction" if instruction is None else None
        if generation.finish_reason == "length":
            reason = "truncated_instruction"
        prompt_sha256 = hashing.token_ids_sha256(sent)
        records.append(
            {
                "seed": seeds[index],
                "prompt_sha256": prompt_sha256,
                "shard": stream.shard,
                "index": index,
                "instruction": generation.text if reason else instruction,
                "instruction_prompt_sha256": prompt_sha256,
                "instruction_finish_reason": generation.finish_reason,
                "rejected_reason": reason,
                **NOT_ANSWERED,
            }
        )
    return records


def write_answers(
    engine: Engine, template, exemplars: Sequence[dict], settings: dict, stream: Stream, records: list[dict]
) -> list[dict]:
    """Answer every well-formed instruction by few-shot completion; malformed ones pass through.

    An answered record's seed and prompt_sha256 become those of its answer.
    """
    asked = [record for record in records if record["rejected_reason"] is None]
    seeds = [stream.seed(record["index"], "answer") for record in asked]
    texts = []
    for record in asked:
        drawn = draw_exemplars(exemplars, settings["shots"], stream.seed(record["index"], "answer_exemplars"))
        texts.append(prompts.render(template, exemplars=drawn, instruction=record["instruction"]))
    ids, generations = continue_prompts(engine, texts, seeds, sampling_of(settings), "answers")
    answers = {}
    for record, seed, sent, generation in zip(asked, seeds, ids, generations, strict=True):
        answer = answer_columns(sent, generation)
        reason = rejection(answer)
        answers[record["index"]] = {"seed": seed, "rejected_reason": reason, **answer}
    return [{**record, **answers.get(record["index"], {})} for record in records]


def judge_records(
    engine: Engine, template, principles: Sequence, threshold: float, records: list[dict]
) -> list[dict]:
    """Put every usable answer before the critic; it is accepted when its margin is at least the threshold."""
    judged = [record for record in records if record["rejected_reason"] is None]
    pairs = [(record["instruction"], record["response"]) for record in judged]
    verdicts = {}
    for record, verdict in zip(
        judged, judge_distinct(engine, template, principles, pairs, "verdicts"), strict=True
    ):
        accepted = verdict.margin >= threshold
        verdicts[record["index"]] = {
            "verdict_margin": verdict.margin,
            "p_yes": verdict.p_yes,
            "accepted": accepted,
            "rejected_reason": None if accepted else "critic",
        }
    return [{**record, **verdicts.get(record["index"], {})} for record in records]


def finished(records: list[dict], stream: Stream, provenance: str) -> list[dict]:
    """Complete rows of the RECORDS schema, in the order given: with provenance, named by their content.

    The critic's verdict is no part of a record's name: its last digits may differ between devices.
    """
    rows = []
    for record in records:
        content = {name: value for name, value in record.items() if name not in VERDICT}
        identity = hashing.record_id(stream=stream.name, **content)
        rows.append({"record_id": identity, "provenance": provenance, **record})
    return rows
