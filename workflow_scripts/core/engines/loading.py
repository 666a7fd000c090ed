"""Loads the engine that the settings name.

Apart from the protocol, which training imports too: what trains must not change, nor need more packages, with
the engines that only generate.
"""

from pathlib import Path

from workflow_scripts.core.engines import Engine
from workflow_scripts.core.errors import InputError


def load_engine(settings: dict, model: str | Path, adapter: str | Path | None = None) -> Engine:
    """The engine that `settings` {"backend", "dtype", "batch_size", "device"} ask for, with its model loaded.

    `model`: an identity file or a model directory; `adapter`: a peft adapter directory to put on it.
    """
    if settings["backend"] == "transformers":
        from workflow_scripts.core.engines.transformers_engine import load_transformers_engine

        return load_transformers_engine(settings, model, adapter)
    remedy = "use transformers"
    raise InputError(field="engine.backend", value=settings["backend"], remedy=remedy)
