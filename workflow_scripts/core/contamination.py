"""The contamination guard: no chat format, special token or held-out item in any prompt of a base model."""

from collections.abc import Sequence
from dataclasses import dataclass

from workflow_scripts.core import critic, prompts
from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.errors import InputError

CHATML = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
CONTROLS = 50  # prompts that are wrapped in ChatML for the negative control
EXAMPLES = 5


@dataclass(frozen=True)
class Material:
    """What prompts are made of: items (rows of ITEMS), exemplars, principles, and exemplars per prompt."""

    items: list[dict]
    exemplars: list[dict]
    principles: list[critic.Principle]
    shots: int


def rendered_prompts(template: prompts.Template, material: Material) -> list[str]:
    """Every prompt that a template gives: with each item's instruction, or with each window of exemplars.

    What a template is for shows in its variables. InputError when it asks for one that no prompt has.
    """
    windows = _windows(material.exemplars, material.shots)
    wanted = prompts.template_variables(template.path)
    if "principle" in wanted:
        return [
            text
            for item in material.items
            for response in (item["reference"], item["corruption"])
            for text in critic.review_prompts(template, material.principles, item["instruction"], response)
        ]
    if wanted == {"exemplars"}:
        lists = [[exemplar["instruction"] for exemplar in window] for window in windows]
        return [prompts.render(template, exemplars=instructions) for instructions in lists]
    unknown = wanted - {"instruction", "exemplars"}
    if unknown:
        remedy = "use only instruction, exemplars, and in a review response, principle, first and second"
        raise InputError(
            file=template.path, field="variable", value=", ".join(sorted(unknown)), remedy=remedy
        )
    return [
        prompts.render(template, instruction=item["instruction"], exemplars=windows[place % len(windows)])
        for place, item in enumerate(material.items)
    ]


def _windows(exemplars: Sequence[dict], shots: int) -> list[list[dict]]:
    """Runs of as many exemplars as a prompt shows, starting at each in turn: each is seen in each place."""
    around = [*exemplars, *exemplars]
    return [around[start : start + min(shots, len(exemplars))] for start in range(len(exemplars))]


def findings(tokenizer, texts: Sequence[str]) -> list[dict]:
    """Prompts with something in them that a base model's prompt may not hold: {prompt, tokens, markers}."""
    encoded = prompts.encode_all(tokenizer, list(texts))
    looked = [
        {
            "prompt": text,
            "tokens": prompts.special_tokens_in(tokenizer, ids),
            "markers": prompts.chat_markers_in(text),
        }
        for text, ids in zip(texts, encoded, strict=True)
    ]
    return [found for found in looked if found["tokens"] or found["markers"]]


def guard_report(
    tokenizer, rendered: dict[str, list[str]], exemplars: list[dict], splits: dict[str, list[dict]]
) -> dict:
    """The metrics file of the guard. `rendered`: prompts by template; `splits`: items by name.

    Metrics: special_tokens_in_prompts and chat_markers_in_prompts (prompts that hold one),
    negative_control_fired (the share of ChatML-wrapped prompts that are found), heldout_exemplars (exemplars
    whose instruction is an item of a split). What was found is beside them.
    """
    found = {path: findings(tokenizer, texts) for path, texts in rendered.items()}
    everything = [finding for part in found.values() for finding in part]
    texts = [text for part in rendered.values() for text in part]
    controls = [CHATML.format(text) for text in texts[:: max(1, len(texts) // CONTROLS)]]
    heldout = {normalise(item["instruction"]): name for name, rows in splits.items() for item in rows}
    shared = [
        {"instruction": exemplar["instruction"], "split": heldout[normalise(exemplar["instruction"])]}
        for exemplar in exemplars
        if normalise(exemplar["instruction"]) in heldout
    ]
    values = {
        "special_tokens_in_prompts": sum(bool(finding["tokens"]) for finding in everything),
        "chat_markers_in_prompts": sum(bool(finding["markers"]) for finding in everything),
        "negative_control_fired": len(findings(tokenizer, controls)) / len(controls),
        "heldout_exemplars": len(shared),
    }
    sizes = {"negative_control_fired": len(controls), "heldout_exemplars": len(exemplars)}
    return {
        "stage": "contamination",
        "metrics": {
            name: {"value": float(value), "n": sizes.get(name, len(texts))} for name, value in values.items()
        },
        "prompts": len(texts),
        "prompts_by_template": {path: len(part) for path, part in rendered.items()},
        "found": {path: part[:EXAMPLES] for path, part in found.items() if part},
        "heldout_exemplars": shared,
        "template_disabled": tokenizer.chat_template is None,
        "add_special_tokens": False,
    }
