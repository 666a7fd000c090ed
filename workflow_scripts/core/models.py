"""The one way to find, check and load a model or a tokenizer.

Safetensors only, no code from a model repository, and a tokenizer without a chat template.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import token_ids_sha256

MODEL_FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.jinja", "tokenizer.model"]
TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
TUNED_NAME = re.compile(r"(?i)(?:^|[-_.])(instruct|chat|it)(?:[-_.]|$)")
CHAT_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|eom_id|>")
TOKENIZER_PROBE = "Question: Name 12 naïve cafés, don't stop.\n\n1. Zoë's\tDOG\n  東京 😀 **bold**\nAnswer: x"


@dataclass(frozen=True)
class ModelReference:
    """A model to load: a directory, or a repository with its pinned revision, and the name it is shown by."""

    path_or_repo: str
    revision: str | None
    label: str


def resolve_model(path) -> ModelReference:
    """A reference from an identity file (`base/model.json`) or from a model directory.

    A path inside an identity file is relative to the working directory. InputError when neither is there.
    """
    path = Path(path)
    if path.is_dir():
        return ModelReference(str(path), None, path.name)
    if not path.is_file():
        remedy = "give an existing model directory, or a model.json that the rule base_model made"
        raise InputError(file=path, remedy=remedy)
    identity = json.loads(path.read_text(encoding="utf-8"))
    if "repo" in identity:
        return ModelReference(identity["repo"], identity["revision"], identity["label"])
    if not Path(identity["path"]).is_dir():
        remedy = "the model directory is gone, or the working directory is not the project's root"
        raise InputError(file=path, field="path", value=identity["path"], remedy=remedy)
    return ModelReference(identity["path"], None, identity["label"])


def local_directory(reference: ModelReference | str | Path) -> Path:
    """The directory that holds a model's files; a repository is downloaded (once) at its pinned revision."""
    if not isinstance(reference, ModelReference):
        reference = resolve_model(reference)
    if reference.revision is None:
        return Path(reference.path_or_repo)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(reference.path_or_repo, revision=reference.revision, allow_patterns=MODEL_FILES)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        remedy = f"check the names and the network ({type(error).__name__})"
        value = f"{reference.path_or_repo}@{reference.revision}"
        raise InputError(field="base_model.repo", value=value, remedy=remedy) from None


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        raise InputError(file=path, remedy=f"this is not valid JSON: {error}") from None


def check_weights(directory) -> None:
    """InputError unless a directory holds a whole model in safetensors format: no adapter, no pickles."""
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(file=directory, remedy="this model directory does not exist: correct the path")
    adapter = directory / "adapter_config.json"
    if adapter.exists():
        value = _read_json(adapter).get("peft_type", "adapter")
        remedy = "this is an adapter, not a model: give a base model, or merge the adapter into its base"
        raise InputError(file=adapter, field="peft_type", value=value, remedy=remedy)
    config = directory / "config.json"
    if "model_type" not in _read_json(config):
        remedy = "give a directory in Hugging Face format, with a config.json that names its model_type"
        raise InputError(file=config, field="model_type", value="absent", remedy=remedy)
    index = directory / "model.safetensors.index.json"
    shards = set(_read_json(index).get("weight_map", {}).values())
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
    for name in ("chat_template.jinja", "chat_template.json"):
        if (directory / name).exists():
            return directory / name
    settings = directory / "tokenizer_config.json"
    return settings if _read_json(settings).get("chat_template") else None


def inspect_base(directory, *, repo: str | None = None, accept_chat_template: str | None = None) -> dict:
    """Checks that a directory holds a base model, by its files alone (fast: no library, no weights read).

    InputError for a missing directory, an adapter, pickled weights, a name such as "-Instruct" (of the
    directory, the repository or in config.json), an end token of a chat format, and a chat template. Some
    base models ship a chat template (Qwen2.5 does): `accept_chat_template` gives the reason to accept that.
    It is never applied in any case. Returns {"architecture", "dtype", "has_chat_template"}.
    """
    directory = Path(directory)
    check_weights(directory)
    config = _read_json(directory / "config.json")
    names = {"path": directory.resolve().name, "repo": repo, "_name_or_path": config.get("_name_or_path")}
    for field, name in names.items():
        if name and TUNED_NAME.search(name.rstrip("/").rsplit("/")[-1]):
            remedy = "this is the name of an instruction-tuned model: give the base model it was made from"
            file = directory / "config.json" if field == "_name_or_path" else directory
            raise InputError(file=file, field=field, value=name, remedy=remedy)
    settings = _read_json(directory / "tokenizer_config.json")
    end = settings.get("eos_token")
    end = end.get("content") if isinstance(end, dict) else end
    if end in CHAT_ENDS:
        remedy = "this tokenizer ends a chat turn: give the base model, whose end token ends a document"
        raise InputError(
            file=directory / "tokenizer_config.json", field="eos_token", value=end, remedy=remedy
        )
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


def load_tokenizer(reference: ModelReference | str | Path):
    """A model's tokenizer: left padding, pad = eos where there is none, chat template taken away.

    InputError when the tokenizer has no end-of-text token, without which no completion could end.
    """
    from transformers import AutoTokenizer

    directory = local_directory(reference)
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
    tokenizer.chat_template = None
    tokenizer.padding_side = "left"
    if tokenizer.eos_token_id is None:
        remedy = "name the token that ends a document in the tokenizer's settings"
        raise InputError(
            file=directory / "tokenizer_config.json", field="eos_token", value="absent", remedy=remedy
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_tokenizer(directory) -> str:
    """SHA-256 of a probing text's token ids, on which transformers and tokenizer.json must agree.

    transformers picks a tokenizer class by the model's architecture, and that class may split text in
    another way than the file says, without a warning. InputError when the ids differ.
    """
    from tokenizers import Tokenizer

    directory = Path(directory)
    ids = load_tokenizer(directory)(TOKENIZER_PROBE, add_special_tokens=False)["input_ids"]
    file = directory / "tokenizer.json"
    if file.exists():
        expected = Tokenizer.from_file(str(file)).encode(TOKENIZER_PROBE, add_special_tokens=False).ids
        if ids != expected:
            remedy = (
                "transformers splits text in another way than tokenizer.json: save the tokenizer again as the"
                " class that belongs to the model's architecture"
            )
            raise InputError(file=file, field="pre_tokenizer", remedy=remedy)
    return token_ids_sha256(ids)


def pick_device(device: str) -> str:
    """The device to use: "auto" is a CUDA device where there is one, else the CPU."""
    import torch

    return device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def load_model(reference: ModelReference | str | Path, dtype: str = "float32", device: str = "auto"):
    """A causal language model in evaluation mode. `dtype`: a name of torch's, or "auto" (as saved).

    Safetensors only; no code from the repository is run. InputError for what `check_weights` refuses.
    """
    from transformers import AutoModelForCausalLM

    directory = local_directory(reference)
    check_weights(directory)
    model = AutoModelForCausalLM.from_pretrained(
        directory, dtype=dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    return model.to(pick_device(device)).eval()
