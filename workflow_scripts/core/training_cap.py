"""A training ends at the cap with a checkpoint, from which it goes on to the same bytes."""

from transformers import TrainerCallback

from workflow_scripts.core import usage


class EndAtCap(TrainerCallback):
    """Saves a checkpoint after the step in which the cap came near, and leaves the training when it is whole.

    It leaves by an exception: a trainer that is merely told to stop ends the epoch first, with a dev
    measurement that an undisturbed training does not have. Added after the callback that marks checkpoints.
    """

    def on_step_end(self, args, state, control, **kwargs):
        """Asks for a checkpoint, but not at an epoch's end, which makes one after its measurement."""
        within = state.epoch != int(state.epoch) and state.global_step < state.max_steps
        if within and usage.must_end():
            control.should_save = True

    def on_save(self, args, state, control, **kwargs):
        """Called when the checkpoint is written and marked: the end."""
        usage.end_at_cap()
