"""What a kind of check is made of: a judge, and the right and wrong texts that the judge is tested with."""

from collections.abc import Callable
from dataclasses import dataclass

Texts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of a check: success, and one short reason (the same text for the same kind of failure)."""

    success: bool
    reason: str


RIGHT = Verdict(True, "right")
EMPTY = Verdict(False, "empty")


def wrong(reason: str) -> Verdict:
    """A failure with its reason."""
    return Verdict(False, reason)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of check. All three functions take the check's arguments by name, after a text.

    judge(response, ...) gives the Verdict. surface_forms(reference, ...) gives {name: text}: the reference
    put in other ways, each of which the judge must accept. corruptions(reference, ...) gives {name: text}:
    one mistake each, each of which the judge must reject. Both know from the arguments what is right and what
    is wrong, and never ask the judge.
    """

    judge: Callable[..., Verdict]
    surface_forms: Callable[..., Texts]
    corruptions: Callable[..., Texts]
