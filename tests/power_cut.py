"""A training that is cut off in the middle, in the same process."""

from contextlib import contextmanager

import pytest


class PowerCut(Exception):
    """Raised in the middle of a training."""


@contextmanager
def power_cut(step: int, where: str = "step"):
    """The training in the body ends at a step: in the log of it ("step"), or at the end of its epoch, "before
    epoch's dev" or "after epoch's dev". It fails where no training got there."""
    from workflow_scripts.core import training_callbacks

    kind = training_callbacks.DevSuccess if "epoch" in where else training_callbacks.ProgressLines
    name = "on_epoch_end" if "epoch" in where else "on_log"
    original = getattr(kind, name)

    def cut(self, args, state, control, **kwargs):
        if where != "before epoch's dev":
            original(self, args, state, control, **kwargs)
        if state.global_step == step:
            raise PowerCut
        if where == "before epoch's dev":
            original(self, args, state, control, **kwargs)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(kind, name, cut)
        yield
