"""How long prompts are, in tokens: the templates as they are, filled with texts of the expected length.

A text whose tokens are not known counts its characters over `characters_per_token`.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from workflow_scripts.core import prompts
from workflow_scripts.core.budget.ranges import Range, exactly

INSTRUCTION, RESPONSE = "\x01", "\x02"
# What a template may ask for beside the texts; short, as they are in guided instruction writing.
GUIDANCE = {"topic": "", "verb": "", "avoid": []}


@dataclass(frozen=True)
class Lengths:
    """Tokens of the texts that the model writes and of the prompts that it is given.

    `review` is one of the `reviews` prompts of a judgement; `review_shared` is the start that they have in
    common, which a prefix cache computes once.
    """

    instruction: Range
    response: Range
    list_prompt: Range
    answer_prompt: Range
    completion_prompt: Range
    raw_prompt: Range
    review: Range
    review_shared: Range
    reviews: int

    @property
    def example(self) -> Range:
        """A training example: prompt, completion and the token that ends it."""
        return self.completion_prompt + self.response + exactly(1)

    @property
    def judgement(self) -> Range:
        """Tokens computed for one judgement where the shared start is cached."""
        own = self.reviews
        return Range(
            own * self.review.low - (own - 1) * self.review_shared.low,
            own * self.review.high - (own - 1) * self.review_shared.high,
        )


def _few_shot_characters(template, exemplars: Sequence, shots: int, **variables) -> float:
    """Characters of a prompt with `shots` exemplars of mean length: they grow by the same with each."""
    none = len(prompts.render(template, exemplars=[], **variables))
    every = len(prompts.render(template, exemplars=list(exemplars), **variables))
    return none + (every - none) * shots / len(exemplars)


def _filled(text: str, instruction: Range, response: Range, characters_per_token: float) -> Range:
    """Tokens of a text in which marks stand for an instruction and a response."""
    fixed = len(text.replace(INSTRUCTION, "").replace(RESPONSE, "")) / characters_per_token
    return exactly(fixed) + instruction * text.count(INSTRUCTION) + response * text.count(RESPONSE)


def prompt_lengths(
    templates: dict, exemplars: Sequence[dict], questions: Sequence[str], shots: dict, estimates: dict
) -> Lengths:
    """The lengths of one configuration.

    `templates` by name (completion, raw, instructions, answers, critic), `exemplars` with instruction and
    response, `questions` of the constitution, `shots` {"instruction", "answer"}, `estimates`
    {"instruction_tokens": Range, "response_tokens": Range, "characters_per_token": float}.
    """
    instruction, response = estimates["instruction_tokens"], estimates["response_tokens"]
    each = estimates["characters_per_token"]
    listed = _few_shot_characters(
        templates["instructions"],
        [exemplar["instruction"] for exemplar in exemplars],
        shots["instruction"],
        **GUIDANCE,
    )
    shown = _few_shot_characters(templates["answers"], exemplars, shots["answer"], instruction="")
    reviews = [
        prompts.render(
            templates["critic"],
            instruction=INSTRUCTION,
            response=RESPONSE,
            principle=question,
            first=first,
            second=second,
        )
        for question in questions
        for first, second in (("yes", "no"), ("no", "yes"))
    ]

    def filled(text: str) -> Range:
        return _filled(text, instruction, response, each)

    sizes = [filled(review) for review in reviews]
    return Lengths(
        instruction=instruction,
        response=response,
        list_prompt=exactly(listed / each),
        answer_prompt=exactly(shown / each) + instruction,
        completion_prompt=filled(prompts.render(templates["completion"], instruction=INSTRUCTION)),
        raw_prompt=filled(prompts.render(templates["raw"], instruction=INSTRUCTION)),
        review=Range(
            sum(size.low for size in sizes) / len(sizes), sum(size.high for size in sizes) / len(sizes)
        ),
        review_shared=filled(os.path.commonprefix(reviews)),
        reviews=len(reviews),
    )
