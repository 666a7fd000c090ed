"""Training rows as tokens: what the trainer must see, and the proof that it sees exactly that."""

from collections.abc import Sequence

from tokenizers.processors import ByteLevel

from workflow_scripts.core import prompts
from workflow_scripts.core.errors import InputError

IGNORED = -100  # the label of a token that is not trained


def check_prompts(rows: Sequence[dict], template, file) -> None:
    """InputError unless every row's prompt is what the template makes of its instruction.

    Otherwise training and evaluation would use two formats.
    """
    if not rows:
        raise InputError(file=file, field="rows", value=0, remedy="there is nothing to train on")
    for place, row in enumerate(rows):
        if row["prompt"] != prompts.render(template, instruction=row["instruction"]):
            remedy = "make this file again with the template that evaluation uses"
            raise InputError(file=file, field=f"prompt of row {place}", value=row["prompt"], remedy=remedy)


def without_special_tokens(tokenizer):
    """The tokenizer, changed so that a plain call adds no special token, as everywhere else in the project.

    TRL calls it so; a Llama tokenizer would put a BOS before every training prompt that no generation has.
    """
    tokenizer.backend_tokenizer.post_processor = ByteLevel(trim_offsets=False)
    return tokenizer


def encode_row(
    tokenizer, prompt: str, completion: str, max_length: int, name: str, file
) -> tuple[list, list]:
    """Token ids of a prompt and of its completion with EOS, tokenised as one text.

    InputError when they do not fit in max_length tokens (a cut completion would teach the model not to end),
    or when the prompt has other tokens before a completion than alone (it would be trained on another prompt
    than it is asked).
    """
    prompt_ids = prompts.encode(tokenizer, prompt)
    ids = prompts.encode(tokenizer, prompt + completion + tokenizer.eos_token)
    if ids[: len(prompt_ids)] != prompt_ids:
        remedy = (
            "let the prompt end on a token's end: no space at its end, one at the start of the completion"
        )
        raise InputError(file=file, field=name, value=prompt[-20:] + completion[:20], remedy=remedy)
    if len(ids) > max_length:
        remedy = f"set max_length to {len(ids)} or more, or drop the row: its completion would be cut"
        raise InputError(file=file, field="max_length", value=max_length, remedy=f"{name}: {remedy}")
    return prompt_ids, ids[len(prompt_ids) :]


def sft_features(tokenizer, rows: Sequence[dict], max_length: int, file) -> list[dict]:
    """`{"input_ids", "labels"}` per row: the loss is on the completion and its EOS alone."""
    features = []
    for place, row in enumerate(rows):
        prompt, completion = encode_row(
            tokenizer, row["prompt"], row["completion"], max_length, f"row {place}", file
        )
        features.append({"input_ids": prompt + completion, "labels": [IGNORED] * len(prompt) + completion})
    return features


def dpo_features(tokenizer, rows: Sequence[dict], max_length: int, file) -> list[dict]:
    """`{"prompt_ids", "chosen_ids", "rejected_ids"}` per row; both completions end in EOS."""
    features = []
    for place, row in enumerate(rows):
        ids = {}
        for side in ("chosen", "rejected"):
            name = f"{side} of row {place}"
            ids["prompt_ids"], ids[f"{side}_ids"] = encode_row(
                tokenizer, row["prompt"], row[side], max_length, name, file
            )
        features.append(ids)
    return features


def check_features(dataset, features: Sequence[dict]) -> None:
    """RuntimeError unless the trainer's dataset holds exactly these features, in this order.

    TRL drops and cuts rows without a word, and its rules change between versions.
    """
    prepared = dataset.select_columns(list(features[0])).to_list()
    if prepared != list(features):
        wrong = sum(left != right for left, right in zip(prepared, features, strict=False))
        raise RuntimeError(
            f"TRL prepared {len(prepared)} of {len(features)} rows, {wrong} with other tokens or labels"
        )


def row_lengths(features: Sequence[dict]) -> list[int]:
    """Tokens of each row; of a preference pair, those of its longer side."""
    return [
        len(row["input_ids"])
        if "input_ids" in row
        else len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
        for row in features
    ]


def by_length(rows: Sequence[dict], features: Sequence[dict]) -> tuple[list[dict], list[dict]]:
    """Rows and their features, the shortest first; rows of one length stay in their order."""
    lengths = row_lengths(features)
    order = sorted(range(len(rows)), key=lengths.__getitem__)
    return [rows[place] for place in order], [features[place] for place in order]
