"""What the embedded base does before any training: measured for its model card, on dev and calibration items.

Test items are drawn, so that none of them is used here, and never asked.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workflow_scripts.core import checks, cleaning, critic, prompts
from workflow_scripts.core.engines import Engine, Sampling
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.exemplars import draw_exemplars
from workflow_scripts.core.hashing import derive_seed
from workflow_scripts.core.metrics import rate
from workflow_scripts.core.tasks import Tasks, draw_item
from workflow_scripts.core.verdicts import judge_distinct

ANSWER_STOP = ("\nQuestion:",)


@dataclass(frozen=True)
class Prompts:
    """The project's prompt templates, compiled."""

    completion: prompts.Template
    raw: prompts.Template
    instructions: prompts.Template
    answers: prompts.Template
    critic: prompts.Template


def ask(engine: Engine, texts: Sequence[str], temperature: float, seed: int, stop: tuple[str, ...]) -> list:
    """Continue prompts, at most 40 tokens each; every prompt has its own seed."""
    ids = prompts.encode_all(engine.tokenizer, list(texts))
    seeds = [derive_seed(seed, "demo_behaviour", place) for place in range(len(texts))]
    return engine.generate(ids, seeds, Sampling(40, temperature, stop=stop))


def outcomes(items: Sequence[dict], responses: Sequence[str]) -> list[bool]:
    """Whether each response does what its item asks."""
    return [
        checks.score(json.loads(item["check"]), response).success
        for item, response in zip(items, responses, strict=True)
    ]


def rates_by(items: Sequence[dict], right: Sequence[bool], column: str) -> dict[str, dict]:
    """Rate of right answers with its Wilson interval, for each value of a column."""
    values = sorted({item[column] for item in items})
    groups = {v: [ok for item, ok in zip(items, right, strict=True) if item[column] == v] for v in values}
    return {value: rate(sum(group), len(group)) for value, group in groups.items()}


def answer_report(items: Sequence[dict], right: Sequence[bool]) -> dict:
    """Rates of right answers: all, by type, by family and by phrasing."""
    return {
        "all": rate(sum(right), len(right)),
        **{f"by_{column}": rates_by(items, right, column) for column in ("type", "family", "cluster")},
    }


def answers(
    engine: Engine, items: Sequence[dict], render: Callable[[int, dict], str], temperature: float, seed: int
) -> list[str]:
    """Cleaned responses to items; `render(place, item)` makes each prompt."""
    texts = [render(place, item) for place, item in enumerate(items)]
    return [
        cleaning.clean_response(generation.text)
        for generation in ask(engine, texts, temperature, seed, ANSWER_STOP)
    ]


def critic_report(engine, template, principles, items, responses, right) -> dict:
    """AUC of the critic's margins, over all and by family (where right and wrong answers both occur).

    InputError when the answers are all right or all wrong.
    """
    if len(set(right)) < 2:
        remedy = "a critic is measured on right and wrong answers, and all are alike: train longer"
        raise InputError(field="pretraining.tokens", remedy=remedy)
    pairs = [(item["instruction"], response) for item, response in zip(items, responses, strict=True)]
    margins = [
        judgement.margin for judgement in judge_distinct(engine, template, principles, pairs, "verdicts")
    ]
    families = {}
    for family in sorted({item["family"] for item in items}):
        inside = [place for place, item in enumerate(items) if item["family"] == family]
        good = [right[place] for place in inside]
        if 0 < sum(good) < len(good):
            families[family] = critic.auc([margins[place] for place in inside], good)
    return {"auc": critic.auc(margins, right), "n": len(right), "auc_by_family": families}


def _shape(instruction: str, words: set[str]) -> str:
    """An instruction with every word of the lexicon replaced: the same for all items of one phrasing."""
    marked = re.sub(r"[A-Za-z]+", lambda match: "_" if match[0] in words else match[0], instruction)
    return re.sub(r"_(?:(?:, | and )_| _)*", "_", marked)


def lexicon_words(value) -> set[str]:
    """Every text in nested lists and dictionaries."""
    if isinstance(value, str):
        return {value}
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return set().union(*map(lexicon_words, parts))


def instruction_report(
    engine: Engine, template, tasks: Tasks, exemplars: Sequence[dict], settings: dict, seed: int
) -> dict:
    """Continue numbered lists at temperature 1: what parses, what is new, what each family gets."""
    words = lexicon_words(tasks.lexicon)
    rng = random.Random(seed)
    shapes = {
        _shape(draw_item(family, rng).instruction, words): family.name
        for family in tasks.families
        for _ in range(300)
    }
    texts = []
    for place in range(settings["samples"]):
        drawn = draw_exemplars(exemplars, settings["list_shots"], derive_seed(seed, "list", place))
        texts.append(prompts.render(template, exemplars=[exemplar["instruction"] for exemplar in drawn]))
    written = [cleaning.clean_instruction(item.text) for item in ask(engine, texts, 1.0, seed, ("\n",))]
    found = [shapes.get(_shape(text, words)) for text in written if text is not None]
    known = [name for name in found if name is not None]
    return {
        "parsed": rate(sum(text is not None for text in written), len(written)),
        "of_a_known_family": rate(len(known), len(written)),
        "distinct": rate(len(set(written) - {None}), len(written)),
        "by_family": {family.name: rate(known.count(family.name), len(known)) for family in tasks.families},
    }


def measure(
    engine: Engine,
    templates: Prompts,
    tasks: Tasks,
    exemplars: Sequence[dict],
    principles: Sequence,
    splits: dict[str, list[dict]],
    settings: dict,
) -> dict:
    """Everything that the model card states about behaviour, with intervals.

    `splits`: dev and calibration items. `settings`: {seed, shots, list_shots, temperature, samples}.
    """
    dev, calibration, seed = splits["dev"], splits["calibration"], settings["seed"]

    def plain(place, item):
        return prompts.render(templates.completion, instruction=item["instruction"])

    def bare(place, item):
        return prompts.render(templates.raw, instruction=item["instruction"])

    def shown(place, item):
        drawn = draw_exemplars(exemplars, settings["shots"], derive_seed(seed, "shots", place))
        return prompts.render(templates.answers, exemplars=drawn, instruction=item["instruction"])

    arms = {
        "base_raw": (bare, 0.0),
        "base": (plain, 0.0),
        "base_sampled": (plain, 1.0),
        "few_shot": (shown, settings["temperature"]),
    }
    report = {"stage": "demo_base", "settings": settings, "answers": {}}
    for name, (render, temperature) in arms.items():
        responses = answers(engine, dev, render, temperature, seed)
        right = outcomes(dev, responses)
        report["answers"][name] = answer_report(dev, right)
        report["answers"][name]["examples"] = [
            {"instruction": item["instruction"], "response": response, "right": ok}
            for item, response, ok in list(zip(dev, responses, right, strict=True))[:: len(dev) // 12]
        ]
    report["critic"] = {
        "own_answers": critic_report(engine, templates.critic, principles, dev, responses, right),
        "references": critic_report(
            engine,
            templates.critic,
            principles,
            calibration * 2,
            [item["reference"] for item in calibration] + [item["corruption"] for item in calibration],
            [True] * len(calibration) + [False] * len(calibration),
        ),
    }
    report["instructions"] = instruction_report(
        engine, templates.instructions, tasks, exemplars, settings, seed
    )
    return report
