"""Whether the arguments of a check fit the signature of its judge, which is the one place that says them."""

import collections.abc
import inspect
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

PLAIN = {str: "a text", int: "a whole number", bool: "true or false", types.NoneType: "null"}


class WrongCheck(ValueError):
    """A check that cannot be evaluated: the field that is wrong, its value and the remedy."""

    def __init__(self, field: str, value: Any, remedy: str):
        self.field, self.value, self.remedy = field, value, remedy
        super().__init__(f"{field} = {value!r}: {remedy}")


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return value in inner
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is collections.abc.Sequence:
        return isinstance(value, list) and all(_fits(each, inner[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(name, inner[0]) and _fits(each, inner[1]) for name, each in value.items()
        )
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _described(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(repr(each) for each in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_described(each) for each in inner)
    if origin is collections.abc.Sequence:
        return f"a list, each entry {_described(inner[0])}"
    if origin is dict:
        return f"an object, each value {_described(inner[1])}"
    return "anything" if hint is Any else PLAIN[hint]


def check_arguments(judge: Callable, arguments: dict[str, Any], field: str) -> None:
    """WrongCheck names the argument of `judge` that is unknown, missing or of a wrong type.

    `field` is the name of the check itself, for the message.
    """
    parameters = dict(list(inspect.signature(judge).parameters.items())[1:])
    hints = get_type_hints(judge)
    for name, value in arguments.items():
        if name not in parameters:
            remedy = f"this kind has no such argument; it has {', '.join(parameters)}"
            raise WrongCheck(f"{field}.{name}", value, remedy)
        if not _fits(value, hints[name]):
            raise WrongCheck(f"{field}.{name}", value, f"give {_described(hints[name])}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise WrongCheck(f"{field}.{name}", None, f"is missing: give {_described(hints[name])}")
