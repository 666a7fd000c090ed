"""Dev success of a model in training, by the same prompts, generation loop, cleaning and checks as
evaluation."""

import json
from collections.abc import Callable

from workflow_scripts.core import checks, cleaning, prompts, schemas, usage
from workflow_scripts.core.engines import Sampling
from workflow_scripts.core.engines.transformers_engine import TransformersEngine
from workflow_scripts.core.progress import Progress


def measure_dev(dev, template, tokenizer, batch_size: int, evaluation: dict) -> tuple[Callable, int]:
    """(measure, n): `measure(model)` is the share in [0, 1] of the n dev items that the model answers
    rightly, greedily.

    `dev` and `template` are paths, `evaluation` holds {max_new_tokens, stop}. The model is left as it is;
    the caller switches it to eval mode.
    """
    items = schemas.read_records(dev, schemas.ITEMS)
    rendering = prompts.load_template(template)
    sent = [
        prompts.encode(tokenizer, prompts.render(rendering, instruction=item["instruction"]))
        for item in items
    ]
    seeds = [item["seed"] for item in items]
    checked = [json.loads(item["check"]) for item in items]
    sampling = Sampling(
        max_new_tokens=evaluation["max_new_tokens"], temperature=0.0, stop=tuple(evaluation["stop"])
    )

    def measure(model) -> float:
        engine = TransformersEngine(model, tokenizer, batch_size=batch_size)
        with usage.timed("dev_seconds"):
            counter = Progress(len(sent), "items", "dev answers", brief=True)
            generations = engine.generate(sent, seeds, sampling, counter)
        usage.count(
            dev_prompt_tokens=sum(map(len, sent)),
            dev_generated_tokens=sum(len(generation.token_ids) for generation in generations),
        )
        engine.audit.report("dev answers")
        responses = [cleaning.clean_response(generation.text) for generation in generations]
        right = [
            checks.score(check, response).success for check, response in zip(checked, responses, strict=True)
        ]
        return sum(right) / len(right)

    return measure, len(items)
