"""The look at every request before it runs: no special token, no chat marker in the token ids that are sent.

The contamination guard looks at prompts beforehand; this is about what a model really gets, whoever asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from workflow_scripts.core import prompts as prompting
from workflow_scripts.core.engines.stopping import decode
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.runtime import say

SHOWN = 40  # characters of a refused prompt on either side of what was found


@dataclass(frozen=True)
class Finding:
    """What a request holds that it may not: its text, special tokens in order, and chat markers."""

    text: str
    tokens: tuple[str, ...]
    markers: tuple[str, ...]


class RequestAudit:
    """Looks at token ids as they are sent. `passed`: how many requests were found clean by `check`.

    A marker need not be a token of its own, so requests with a token that could begin one are read as text.
    """

    def __init__(self, tokenizer):
        self.tokenizer, self.passed, self._reported = tokenizer, 0, 0
        special = prompting.special_token_ids(tokenizer)
        first = {marker[0] for marker in prompting.CHAT_MARKERS}
        size = max(len(tokenizer), max(special, default=0) + 1)
        pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        beginning = [index for index, piece in enumerate(pieces) if not first.isdisjoint(piece or "")]
        self._suspect = np.zeros(size, dtype=bool)
        self._suspect[[*beginning, *special]] = True

    def findings(self, requests: Sequence[Sequence[int]]) -> dict[int, Finding]:
        """What is wrong, by the place of the request; clean requests are not in it."""
        lengths = [len(ids) for ids in requests]
        ids = np.fromiter(chain.from_iterable(requests), dtype=np.int64, count=sum(lengths))
        places = np.unique(np.repeat(np.arange(len(requests)), lengths)[self._suspect[ids]])
        found = {}
        for place in places.tolist():
            text = decode(self.tokenizer, requests[place], skip_special_tokens=False)
            tokens = tuple(prompting.special_tokens_in(self.tokenizer, requests[place]))
            markers = tuple(prompting.chat_markers_in(text))
            if tokens or markers:
                found[place] = Finding(text, tokens, markers)
        return found

    def check(self, requests: Sequence[Sequence[int]]) -> None:
        """InputError that names the first request with a special token or chat marker, and what it holds."""
        for place, finding in self.findings(requests).items():
            held = (finding.tokens + finding.markers)[0]
            start = max(0, finding.text.find(held) - SHOWN)
            excerpt = finding.text[start : start + len(held) + 2 * SHOWN]
            remedy = (
                f"it holds {held}, which no prompt of a base model may: take it out of what it is made of"
            )
            raise InputError(field=f"prompt {place + 1} of {len(requests)}", value=excerpt, remedy=remedy)
        self.passed += len(requests)

    def report(self, label: str) -> None:
        """Prints how many requests passed since the last report."""
        count, self._reported = self.passed - self._reported, self.passed
        say(f"{label}: {count} requests looked at before they ran, no special or chat token in any")
