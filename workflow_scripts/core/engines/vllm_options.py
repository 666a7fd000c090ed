"""What vLLM is started with: its environment, the arguments of `vllm.LLM`, and the tokens that end a text."""

import importlib.util
import os
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
CPU_ENVIRONMENT = {
    "TORCH_COMPILE_DISABLE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB: half a million tokens of the embedded base
}
CPU_BATCHED_TOKENS = 8192  # at least: in a step, and no less than the longest prompt
ADAPTER_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM makes room for
INSTALL = "make demo ENGINE=vllm installs vLLM for the CPU; for GPUs it is in envs/generate.yaml"


def prepare(on_gpu: bool, batch_invariant: bool) -> None:
    """Sets what vLLM reads from the environment when it is first imported."""
    if importlib.util.find_spec("vllm") is None:
        raise InputError(field="engine.backend", value="vllm", remedy=f"vLLM is not installed: {INSTALL}")
    if batch_invariant and not on_gpu:
        remedy = "vLLM has batch-invariant kernels for GPUs alone: give null"
        raise InputError(field="engine.batch_invariant", value=True, remedy=remedy)
    os.environ["VLLM_BATCH_INVARIANT"] = str(int(batch_invariant))
    for name, value in (ENVIRONMENT if on_gpu else ENVIRONMENT | CPU_ENVIRONMENT).items():
        os.environ.setdefault(name, value)


def model_options(settings: dict, directory: Path, on_gpu: bool) -> dict:
    """The arguments of `vllm.LLM` for the settings; what is null is left to vLLM."""
    options = {
        "dtype": settings["dtype"],
        "max_num_seqs": settings["batch_size"],
        "enable_prefix_caching": True,
        "generation_config": "vllm",  # no sampling parameters out of the model's files
        "load_format": "safetensors",
        "trust_remote_code": False,
        "use_tqdm_on_load": False,
        "seed": 0,
    }
    for name in ("quantization", "max_model_len"):
        if settings.get(name) is not None:
            options[name] = settings[name]
    if on_gpu:
        if settings.get("gpu_memory_utilization") is not None:
            options["gpu_memory_utilization"] = settings["gpu_memory_utilization"]
        return options
    from transformers import AutoConfig

    limit = settings.get("max_model_len") or AutoConfig.from_pretrained(directory).max_position_embeddings
    # On a CPU a request with a seed of its own fails where its prompt is read in several steps.
    batched = max(limit, CPU_BATCHED_TOKENS)
    return options | {
        "enforce_eager": True,
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": batched,
    }


def adapter_options(adapter: str | Path | None) -> dict:
    """What `vllm.LLM` must know of an adapter beforehand: that there is one, and room for its rank."""
    if adapter is None:
        return {}
    config = Path(adapter) / "adapter_config.json"
    rank = read_json(config)["r"]
    room = next((size for size in ADAPTER_RANKS if size >= rank), None)
    if room is None:
        remedy = f"vLLM takes adapters up to rank {ADAPTER_RANKS[-1]}: merge it into the model"
        raise InputError(file=config, field="r", value=rank, remedy=remedy)
    return {"enable_lora": True, "max_loras": 1, "max_lora_rank": room}


def end_tokens(directory: Path, tokenizer) -> frozenset[int]:
    """Tokens that end a text: the tokenizer's end token and those of the model's generation settings."""
    from transformers import AutoConfig, GenerationConfig

    if (directory / "generation_config.json").is_file():
        configured = GenerationConfig.from_pretrained(directory).eos_token_id
    else:
        configured = AutoConfig.from_pretrained(directory).eos_token_id
    configured = configured if isinstance(configured, list) else [configured]
    return frozenset({tokenizer.eos_token_id, *configured} - {None})
