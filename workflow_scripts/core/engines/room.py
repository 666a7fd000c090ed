"""Whether prompts and what is to follow them fit into what a model reads."""

from collections.abc import Sequence

from workflow_scripts.core.errors import InputError


def check_room(prompts: Sequence[Sequence[int]], new_tokens: int, limit: int | None) -> None:
    """InputError when the longest prompt with `new_tokens` more is longer than `limit` tokens (None: any)."""
    longest = max(map(len, prompts), default=0)
    if limit is not None and longest + new_tokens > limit:
        remedy = (
            f"the longest prompt has {longest} tokens and the model reads {limit}: use fewer exemplars or"
            " ask for fewer new tokens"
        )
        raise InputError(field="max_new_tokens", value=new_tokens, remedy=remedy)
