"""Loads the engine that the settings name.

Apart from the protocol, which training imports too: what trains must not change, nor need more packages, with
the engines that only generate.
"""

from pathlib import Path

from workflow_scripts.core import gpu_memory
from workflow_scripts.core.engines import Engine
from workflow_scripts.core.errors import InputError

VLLM_ALONE = ("quantization", "max_model_len", "gpu_memory_utilization", "batch_invariant")


class LateEngine:
    """An engine that is loaded when it is first called for."""

    def __init__(self, settings: dict, model: str | Path):
        self.settings, self.model, self.engine = settings, model, None

    def __call__(self) -> Engine:
        """The engine."""
        if self.engine is None:
            self.engine = load_engine(self.settings, self.model)
        return self.engine

    def close(self) -> None:
        """Gives back the memory of the model, if it was loaded."""
        if self.engine is not None:
            self.engine.close()
            self.engine = None


def load_engine(settings: dict, model: str | Path, adapter: str | Path | None = None) -> Engine:
    """The engine that `settings` ask for, with its model loaded.

    settings: {"backend", "dtype", "batch_size", "device"}, and for vLLM those of VLLM_ALONE where not null.
    `model`: an identity file or a model directory; `adapter`: a peft adapter directory to put on it.
    InputError, before anything is loaded, where the GPU has no room for it.
    """
    gpu_memory.check_generation(settings, model)
    if settings["backend"] == "vllm":
        from workflow_scripts.core.engines.vllm_engine import load_vllm_engine

        return load_vllm_engine(settings, model, adapter)
    if settings["backend"] != "transformers":
        remedy = "use transformers or vllm"
        raise InputError(field="engine.backend", value=settings["backend"], remedy=remedy)
    for name in VLLM_ALONE:
        if settings.get(name) is not None:
            remedy = "the transformers engine does not have this: give null, or use the backend vllm"
            raise InputError(field=f"engine.{name}", value=settings[name], remedy=remedy)
    from workflow_scripts.core.engines.transformers_engine import load_transformers_engine

    return load_transformers_engine(settings, model, adapter)
