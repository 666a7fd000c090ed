"""What a model directory holds, by its files alone: fast enough for a check before any job starts."""

import re
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json

# What a model and its tokenizer are loaded from. A model card or a record of the training changes neither.
LOADED = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "tokenizer*",
    "*.model",
    "vocab.*",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template*",
    "tekken.json",
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
TUNED_NAME = re.compile(r"(?i)(?:^|[-_.])(instruct|chat|it|assistant|sft|dpo|rlhf|thinking)(?:[-_.]|$)")
CHAT_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|eom_id|>")


def _read(path: Path) -> dict:
    """A JSON file's content, {} when the file is missing. InputError when it is not JSON."""
    return read_json(path) if path.is_file() else {}


def loaded_files(directory) -> list[Path]:
    """The files of a directory that a model or its tokenizer is loaded from, sorted by path."""
    files = (path for path in Path(directory).iterdir() if path.is_file())
    return sorted(path for path in files if any(path.match(pattern) for pattern in LOADED))


def check_weights(directory) -> None:
    """InputError unless a directory holds a whole model in safetensors format: no adapter, no pickles."""
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(file=directory, remedy="this model directory does not exist: correct the path")
    adapter = directory / "adapter_config.json"
    if adapter.exists():
        value = _read(adapter).get("peft_type", "adapter")
        remedy = "this is an adapter, not a model: give a base model, or merge the adapter into its base"
        raise InputError(file=adapter, field="peft_type", value=value, remedy=remedy)
    config = directory / "config.json"
    if "model_type" not in _read(config):
        remedy = "give a directory in Hugging Face format, with a config.json that names its model_type"
        raise InputError(file=config, field="model_type", value="absent", remedy=remedy)
    index = directory / "model.safetensors.index.json"
    shards = set(_read(index).get("weight_map", {}).values())
    missing = sorted(name for name in shards if not (directory / name).exists())
    if missing:
        remedy = "this weight file is missing: download the model again"
        raise InputError(file=index, field="weight_map", value=missing[0], remedy=remedy)
    if not any(directory.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in PICKLES for path in directory.glob(pattern))
        remedy = (
            "pickled weights can run code and are refused: save the model again with"
            " model.save_pretrained(directory), which writes safetensors"
            if pickles
            else "no *.safetensors file is there: give a directory that holds the weights"
        )
        raise InputError(
            file=directory, field="weights", value=pickles[0] if pickles else "absent", remedy=remedy
        )


def chat_template_file(directory) -> Path | None:
    """The file that gives a directory's tokenizer a chat template, or None."""
    directory = Path(directory)
    for name in ("chat_template.jinja", "chat_template.json", "additional_chat_templates"):
        if (directory / name).exists():
            return directory / name
    settings = directory / "tokenizer_config.json"
    return settings if _read(settings).get("chat_template") else None


def chat_end(directory) -> tuple[Path, str, str] | None:
    """(file, field, token) where a directory names the end of a chat turn as an end of text, or None.

    Looks at the tokenizer's end token and at the ids of end tokens in the settings of model and generation.
    """
    directory = Path(directory)
    settings = _read(directory / "tokenizer_config.json")
    token = settings.get("eos_token")
    token = token.get("content") if isinstance(token, dict) else token
    if token in CHAT_ENDS:
        return directory / "tokenizer_config.json", "eos_token", token
    texts = {entry["id"]: entry["content"] for entry in _added_tokens(directory)}
    for name in ("config.json", "generation_config.json"):
        ids = _read(directory / name).get("eos_token_id")
        for index in ids if isinstance(ids, list) else [ids]:
            if texts.get(index) in CHAT_ENDS:
                return directory / name, "eos_token_id", texts[index]
    return None


def _added_tokens(directory: Path) -> list[dict]:
    """{id, content} of the tokens that were added to a tokenizer's vocabulary."""
    listed = _read(directory / "tokenizer.json").get("added_tokens") or []
    decoder = _read(directory / "tokenizer_config.json").get("added_tokens_decoder") or {}
    return [*listed, *({"id": int(index), **entry} for index, entry in decoder.items())]


def inspect_base(directory, *, repo: str | None = None, accept_chat_template: str | None = None) -> dict:
    """Checks that a directory holds a base model, by its files alone (fast: no library, no weights read).

    InputError for a missing directory, an adapter, pickled weights, a name such as "-Instruct" (of the
    directory, the repository or in config.json), the end of a chat turn as an end token, and a chat template.
    Some base models ship a template (Qwen2.5 does): `accept_chat_template` gives the reason to accept that;
    it is never applied in any case. Returns {"architecture", "dtype", "has_chat_template"}.
    """
    directory = Path(directory)
    check_weights(directory)
    config = _read(directory / "config.json")
    names = {"path": directory.resolve().name, "repo": repo, "_name_or_path": config.get("_name_or_path")}
    for field, name in names.items():
        if name and TUNED_NAME.search(name.rstrip("/").rsplit("/")[-1]):
            remedy = "this is the name of an instruction-tuned model: give the base model it was made from"
            file = directory / "config.json" if field == "_name_or_path" else directory
            raise InputError(file=file, field=field, value=name, remedy=remedy)
    end = chat_end(directory)
    if end is not None:
        file, field, token = end
        remedy = "this token ends a chat turn: give the base model, whose end token ends a document"
        raise InputError(file=file, field=field, value=token, remedy=remedy)
    template = chat_template_file(directory)
    if template is not None and not accept_chat_template:
        remedy = (
            "a chat template marks an instruction-tuned model: give the base model; if it is one all the"
            " same, write the reason into base_model.accept_chat_template (no template is ever applied)"
        )
        raise InputError(file=template, field="chat_template", value="present", remedy=remedy)
    return {
        "architecture": (config.get("architectures") or [config["model_type"]])[0],
        "dtype": config.get("dtype") or config.get("torch_dtype"),
        "has_chat_template": template is not None,
    }
