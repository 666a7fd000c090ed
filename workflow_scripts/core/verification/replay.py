"""Goes through the making of answers again with the texts on record in place of a model.

Every prompt is rendered, tokenised and hashed as when it was sent, every response cleaned and judged usable
or not, every seed derived, every verdict's consequence drawn, every record named by its content.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.core import (
    answers,
    candidates,
    critic,
    critic_prior,
    exemplars,
    generation,
    guidance,
    hashing,
    prompts,
    schemas,
)
from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.engines import Generation
from workflow_scripts.core.engines.request_audit import RequestAudit
from workflow_scripts.core.evaluation.repeated_items import items_to_repeat
from workflow_scripts.core.verification import comparing
from workflow_scripts.core.verification.findings import Finding
from workflow_scripts.core.verification.jobs import Job

PROMPTS = "prompt and answer gone through again"


class RecordedEngine:
    """Stands in for an engine: looks at every request, and answers with what is on record, in order."""

    def __init__(self, tokenizer):
        self.tokenizer, self.identity, self.audit = tokenizer, {}, RequestAudit(tokenizer)
        self.recorded: list[Generation] = []

    def generate(self, sent, seeds, sampling, progress=None) -> list[Generation]:
        """The next generations on record."""
        self.audit.check(sent)
        if len(sent) != len(self.recorded):
            raise ValueError(f"{len(self.recorded)} answers are on record for {len(sent)} prompts")
        return self.recorded


def recorded_answer(row: dict) -> Generation:
    """A row's answer as an engine gave it; its tokens are known by their number alone."""
    return Generation(row["response_raw"], (0,) * row["response_tokens"], row["finish_reason"])


def first_finding(name: str, expected: Sequence[dict], rows: Sequence[dict], check: str) -> list[Finding]:
    """The first row and field in which rows differ from what they ought to be."""
    if len(expected) != len(rows):
        return [Finding(name, "rows", len(expected), len(rows), check)]
    for number, (one, other) in enumerate(zip(expected, rows, strict=True)):
        difference = comparing.row_difference({key: one.get(key, comparing.ABSENT) for key in other}, other)
        if difference:
            return [Finding(name, *difference, check, number)]
    return []


def _one(job: Job, option: str) -> str:
    return job.options[option][0]


def _settings(job: Job) -> dict:
    return json.loads(_one(job, "settings"))


def replay_responses(job: Job, path: Path, name: str, engine: RecordedEngine) -> list[Finding]:
    """One arm's responses (the module `respond`)."""
    settings, arm = _settings(job), _one(job, "arm")
    items = schemas.read_records(_one(job, "items"), schemas.ITEMS)
    if "repeated_items" in settings:
        items = items_to_repeat(items, settings["repeated_items"])
    rows = schemas.read_records(path, schemas.RESPONSES)
    template = prompts.load_template(_one(job, "template"))
    engine.recorded = [recorded_answer(row) for row in rows]
    texts = [prompts.render(template, instruction=item["instruction"]) for item in items]
    greedy = answers.sampling_of({**settings["evaluation"], "temperature": 0.0})
    sent, generations = answers.continue_prompts(engine, texts, [0] * len(texts), greedy, arm)
    expected = []
    for item, ids, answer, row in zip(items, sent, generations, rows, strict=True):
        content = {"item_id": item["item_id"], "arm": arm, **answers.answer_columns(ids, answer)}
        record = {"record_id": hashing.record_id(**content), "seed": 0, "provenance": row["provenance"]}
        expected.append({**record, **content})
    return first_finding(name, expected, rows, PROMPTS)


def _with_recorded_texts(records: Sequence[dict], rows: Sequence[dict]) -> list[dict]:
    """Records with the instructions on record: of a clean one the raw text is not kept."""
    return [
        {**record, "instruction": row["instruction"]} if record["rejected_reason"] is None else record
        for record, row in zip(records, rows, strict=True)
    ]


def _judged(record: dict, row: dict, threshold: float) -> dict:
    """A record with what follows from the margin on record."""
    if record["rejected_reason"] is not None:
        return record
    margin = row["verdict_margin"]
    accepted = margin is not None and margin >= threshold
    return {
        **record,
        "verdict_margin": margin,
        "p_yes": None if margin is None else critic.sigmoid(margin),
        "accepted": accepted,
        "rejected_reason": None if accepted else "critic",
    }


def replay_records(job: Job, path: Path, name: str, engine: RecordedEngine) -> list[Finding]:
    """One shard of generated records, or the pilot (the module `generate`)."""
    settings = _settings(job)
    how = settings["generation"]
    rows = schemas.read_records(path, schemas.RECORDS)
    shown = exemplars.load_exemplars(_one(job, "exemplars"))
    principles = load_constitution(_one(job, "constitution"))
    threshold, _ = critic_prior.read_calibration(_one(job, "calibration-report"), principles)
    templates = {
        part: prompts.load_template(_one(job, f"{part}-template")) for part in ("instructions", "answers")
    }
    guided = _guidance(job, how)
    stream_name = _one(job, "stream")
    shard = 0 if stream_name == "pilot" else int(path.stem.rpartition("-")[2])
    stream = generation.Stream(settings["seed"], stream_name, shard)

    engine.recorded = [Generation(row["instruction"], (), row["instruction_finish_reason"]) for row in rows]
    size = int(_one(job, "size"))
    if size != len(rows):
        return [Finding(name, "rows", size, len(rows), PROMPTS)]
    records = generation.write_instructions(
        engine, templates["instructions"], shown, how["instruction"], stream, size, guided
    )
    records = _with_recorded_texts(records, rows)
    asked = [row for record, row in zip(records, rows, strict=True) if record["rejected_reason"] is None]
    engine.recorded = [recorded_answer(row) for row in asked]
    records = generation.write_answers(engine, templates["answers"], shown, how["answer"], stream, records)
    records = [_judged(record, row, threshold) for record, row in zip(records, rows, strict=True)]
    expected = [
        {**record, "provenance": row["provenance"]}
        for record, row in zip(generation.finished(records, stream, ""), rows, strict=True)
    ]
    return first_finding(name, expected, rows, PROMPTS)


def _guidance(job: Job, how: dict) -> guidance.Guidance | None:
    lists = job.options.get("guidance") or []
    if not lists:
        return None
    earlier = job.options.get("earlier") or []
    known = schemas.read_records(earlier[0], schemas.RECORDS) if earlier else []
    avoid = how["instruction"]["guidance"]["avoid"]
    return guidance.load_guidance(lists[0], guidance.earlier_instructions(known), avoid)


def replay_candidates(job: Job, path: Path, name: str, engine: RecordedEngine) -> list[Finding]:
    """One shard of best-of-N candidates (the module `sample_candidates`)."""
    settings = _settings(job)
    rows = schemas.read_records(path, schemas.CANDIDATES)
    examples = schemas.read_records(_one(job, "examples"), schemas.SFT_EXAMPLES)
    shard = int(path.stem.rpartition("-")[2])
    own = candidates.shard_slice(len(examples), shard, int(_one(job, "shards")))
    instructions = [examples[place]["instruction"] for place in own]
    template = prompts.load_template(_one(job, "template"))
    engine.recorded = [recorded_answer(row) for row in rows]
    made = candidates.sample(engine, template, instructions, settings["preferences"], settings["seed"])
    expected = [
        {**record, "provenance": row["provenance"], **_verdict(record, row)}
        for record, row in zip(made, rows, strict=True)
    ]
    return first_finding(name, expected, rows, PROMPTS)


def _verdict(record: dict, row: dict) -> dict:
    """A candidate's verdict as it follows from the margin on record: none for one that cannot be used."""
    margin = row["verdict_margin"] if record["usable"] else None
    if record["usable"] and margin is None:
        margin = "a margin, as it is usable"
        return {"verdict_margin": margin, "p_yes": row["p_yes"]}
    return {"verdict_margin": margin, "p_yes": None if margin is None else critic.sigmoid(margin)}


REPLAYS = {
    "respond": replay_responses,
    "generate": replay_records,
    "sample_candidates": replay_candidates,
}
