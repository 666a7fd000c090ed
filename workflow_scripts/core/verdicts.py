"""The critic's verdicts on many answers, each distinct one judged once."""

from collections.abc import Sequence

from workflow_scripts.core import critic
from workflow_scripts.core.constitution import Principle
from workflow_scripts.core.engines import Engine
from workflow_scripts.core.progress import Progress
from workflow_scripts.core.prompts import Template


def judge_distinct(
    engine: Engine,
    template: Template,
    principles: Sequence[Principle],
    pairs: Sequence[tuple[str, str]],
    label: str,
) -> list[critic.Judgement]:
    """One judgement per (instruction, response) pair, in order; equal pairs are judged once and share it."""
    distinct = list(dict.fromkeys(pairs))
    counter = Progress(len(distinct), "answers", label, may_end=True)
    judgements = critic.judge(engine, template, principles, distinct, counter.advance)
    engine.audit.report(label)
    by_pair = dict(zip(distinct, judgements, strict=True))
    return [by_pair[pair] for pair in pairs]
