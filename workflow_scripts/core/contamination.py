"""The contamination guard: no chat format, special token or held-out item in any prompt of a base model."""

from collections.abc import Sequence
from dataclasses import dataclass

from workflow_scripts.core import critic, prompts
from workflow_scripts.core.constitution import Principle
from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.engines.request_audit import RequestAudit
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.guidance import Guidance
from workflow_scripts.core.progress import Progress

# Prompts as chat models of four families are given them: the negative control.
CHAT_FORMATS = {
    "ChatML": "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "Llama 3": "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>",
    "Mistral": "[INST] {} [/INST]",
    "Gemma": "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
}
LOOKED_AT_TOGETHER = 1000
CONTROLS = 50  # prompts of each kind that are wrapped
EXAMPLES = 5


@dataclass(frozen=True)
class Material:
    """What prompts are made of: items (rows of ITEMS), exemplars, principles, shots per prompt, guidance."""

    items: list[dict]
    exemplars: list[dict]
    principles: list[Principle]
    shots: int
    guidance: Guidance | None = None


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
        return [prompts.render(template, exemplars=_instructions(window)) for window in windows]
    if wanted == {"exemplars", "topic", "verb", "avoid"} and material.guidance:
        return _guided_prompts(template, windows, material.guidance)
    unknown = wanted - {"instruction", "exemplars"}
    if unknown:
        remedy = (
            "use only instruction, exemplars, in a review response, principle, first and second, and with"
            " guidance topic, verb and avoid"
        )
        raise InputError(
            file=template.path, field="variable", value=", ".join(sorted(unknown)), remedy=remedy
        )
    return [
        prompts.render(template, instruction=item["instruction"], exemplars=windows[place % len(windows)])
        for place, item in enumerate(material.items)
    ]


def _guided_prompts(template, windows: list[list[dict]], guidance: Guidance) -> list[str]:
    """Prompts with every topic and every verb; the instructions to avoid are those of another window."""
    count = max(len(windows), len(guidance.topics), len(guidance.verbs))
    return [
        prompts.render(
            template,
            exemplars=_instructions(windows[place % len(windows)]),
            avoid=_instructions(windows[(place + 1) % len(windows)]),
            topic=guidance.topics[place % len(guidance.topics)],
            verb=guidance.verbs[place % len(guidance.verbs)],
        )
        for place in range(count)
    ]


def _instructions(exemplars: Sequence[dict]) -> list[str]:
    return [exemplar["instruction"] for exemplar in exemplars]


def _windows(exemplars: Sequence[dict], shots: int) -> list[list[dict]]:
    """Runs of as many exemplars as a prompt shows, starting at each in turn: each is seen in each place."""
    around = [*exemplars, *exemplars]
    return [around[start : start + min(shots, len(exemplars))] for start in range(len(exemplars))]


def findings(audit: RequestAudit, texts: Sequence[str], counter: Progress | None = None) -> list[dict]:
    """Prompts that an engine would refuse, by the token ids that it would get: {prompt, tokens, markers}."""
    refused = []
    for start in range(0, len(texts), LOOKED_AT_TOGETHER):
        part = list(texts[start : start + LOOKED_AT_TOGETHER])
        found = audit.findings(prompts.encode_all(audit.tokenizer, part))
        refused += [
            {"prompt": part[place], "tokens": list(finding.tokens), "markers": list(finding.markers)}
            for place, finding in found.items()
        ]
        if counter is not None:
            counter.advance(len(part))
    return refused


def negative_control(audit: RequestAudit, rendered: dict[str, list[str]]) -> dict[str, dict]:
    """Prompts of every source, wrapped in each chat format: {format: {"wrapped", "found"}} as counts."""
    texts = [text for part in rendered.values() for text in part[:: max(1, len(part) // CONTROLS)][:CONTROLS]]
    return {
        name: {"wrapped": len(texts), "found": len(findings(audit, [wrapper.format(text) for text in texts]))}
        for name, wrapper in CHAT_FORMATS.items()
    }


def held_out_among(texts: Sequence[str], splits: dict[str, list[dict]]) -> list[dict]:
    """Texts that are, after normalisation, the instruction of a held-out item: {instruction, split}."""
    heldout = {normalise(item["instruction"]): name for name, rows in splits.items() for item in rows}
    return [
        {"instruction": text, "split": heldout[normalise(text)]}
        for text in texts
        if normalise(text) in heldout
    ]


def guard_report(
    audit: RequestAudit,
    rendered: dict[str, list[str]],
    splits: dict[str, list[dict]],
    exemplars: Sequence[dict],
    sentinels: Sequence[dict],
) -> dict:
    """The metrics file of the guard. `rendered`: prompts by template or other source; `splits`: items.

    Metrics: special_tokens_in_prompts and chat_markers_in_prompts (prompts that hold one),
    negative_control_fired (the share of prompts wrapped in a chat format that are found), heldout_exemplars
    and heldout_sentinels (those that are an item of a split). What was found is beside them.
    """
    count = sum(map(len, rendered.values()))
    counter = Progress(count, "prompts", "contamination guard", brief=True)
    found = {source: findings(audit, texts, counter) for source, texts in rendered.items()}
    everything = [finding for part in found.values() for finding in part]
    control = negative_control(audit, rendered)
    wrapped = sum(part["wrapped"] for part in control.values())
    shared_exemplars = held_out_among(_instructions(exemplars), splits)
    shared_sentinels = held_out_among([sentinel["prompt"] for sentinel in sentinels], splits)
    metrics = {
        "special_tokens_in_prompts": (sum(bool(finding["tokens"]) for finding in everything), count),
        "chat_markers_in_prompts": (sum(bool(finding["markers"]) for finding in everything), count),
        "negative_control_fired": (sum(part["found"] for part in control.values()) / wrapped, wrapped),
        "heldout_exemplars": (len(shared_exemplars), len(exemplars)),
        "heldout_sentinels": (len(shared_sentinels), len(sentinels)),
    }
    return {
        "stage": "contamination",
        "metrics": {name: {"value": float(value), "n": n} for name, (value, n) in metrics.items()},
        "prompts": count,
        "prompts_by_source": {source: len(part) for source, part in rendered.items()},
        "negative_control": control,
        "found": {source: part[:EXAMPLES] for source, part in found.items() if part},
        "heldout_exemplars": shared_exemplars,
        "heldout_sentinels": shared_sentinels,
        "template_disabled": audit.tokenizer.chat_template is None,
        "add_special_tokens": False,
    }
