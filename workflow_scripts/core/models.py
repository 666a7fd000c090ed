"""The one way to find, check and load a model or a tokenizer.

Safetensors only, no code from a model repository, and a tokenizer without a chat template.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from workflow_scripts.core import hub_download, progress
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import (
    canonical_json,
    sha256_file,
    sha256_text,
    token_ids_sha256,
    weights_digest,
)
from workflow_scripts.core.json_files import read_json
from workflow_scripts.core.model_files import check_weights, inspect_base, loaded_files

TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)
TOKENIZER_PROBE = "Question: Name 12 naïve cafés, don't stop.\n\n1. Zoë's\tDOG\n  東京 😀 **bold**\nAnswer: x"


@dataclass(frozen=True)
class ModelReference:
    """A model to load: a directory, or a repository with its pinned revision, and the name it is shown by.

    `files`: the SHA-256 of each of its files where that is on record; a directory that differs is refused.
    """

    path_or_repo: str
    revision: str | None
    label: str
    files: dict[str, str] | None = None


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
    identity = read_json(path)
    if "repo" in identity:
        return ModelReference(
            identity["repo"], identity["revision"], identity["label"], identity.get("files")
        )
    if not Path(identity["path"]).is_dir():
        remedy = "the model directory is gone, or the working directory is not the project's root"
        raise InputError(file=path, field="path", value=identity["path"], remedy=remedy)
    return ModelReference(identity["path"], None, identity["label"], identity.get("files"))


def local_directory(reference: ModelReference | str | Path) -> Path:
    """The directory that holds a model's files; a repository is downloaded (once) at its pinned revision."""
    if not isinstance(reference, ModelReference):
        reference = resolve_model(reference)
    if reference.revision is None:
        return Path(reference.path_or_repo)
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return hub_download.fetch(reference.path_or_repo, reference.revision)
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        remedy = f"check the names and the network ({type(error).__name__})"
        value = f"{reference.path_or_repo}@{reference.revision}"
        raise InputError(field="base_model.repo", value=value, remedy=remedy) from None


def check_files(reference: ModelReference) -> None:
    """InputError unless a model's files are, byte for byte, those on record; all are read and hashed."""
    directory, recorded_files = local_directory(reference), reference.files or {}
    there = [directory / name for name in recorded_files if (directory / name).is_file()]
    counter = progress.of_files(there, f"files of {reference.label} against their record")
    for name, recorded in recorded_files.items():
        path = directory / name
        found = sha256_file(path, counter.advance) if path in there else "absent"
        if found != recorded:
            remedy = f"another file is on record ({recorded}): put that one back, or make the identity anew"
            raise InputError(file=path, field="sha256", value=found, remedy=remedy)


def checked_directory(reference: ModelReference) -> Path:
    """`local_directory`, its weights of the right kind and its files those on record, or InputError.

    A repository's files are named by its revision, and not hashed.
    """
    directory = local_directory(reference)
    check_weights(directory)
    if reference.revision is None:
        check_files(reference)
    return directory


def identify_base(settings: dict) -> dict:
    """What the base model is: the content of `base/model.json`, without time, host or absolute path.

    settings: {path} or {repo, revision}, and optionally accept_chat_template (see `inspect_base`). Every file
    that the model or its tokenizer is loaded from is hashed. InputError as in `inspect_base` and
    `check_tokenizer`.
    """
    repo = settings.get("repo")
    name = repo or settings["path"]
    revision = settings["revision"] if repo else None
    label = name.rstrip("/").rsplit("/", 1)[-1]
    directory = local_directory(ModelReference(name, revision, label))
    accepted = settings.get("accept_chat_template")
    found = inspect_base(directory, repo=repo, accept_chat_template=accepted)
    loaded = loaded_files(directory)
    counter = progress.of_files(loaded, f"digests of {label}")
    files = {path.name: sha256_file(path, counter.advance) for path in loaded}
    tokenizer_files = {path: files[path] for path in TOKENIZER_FILES if path in files}
    return {
        "label": label,
        "repo" if repo else "path": name,
        "revision": revision,
        **found,
        "accept_chat_template": accepted,
        "parameters": count_parameters(directory),
        "files": files,
        "weights_sha256": weights_digest(files),
        "tokenizer_sha256": sha256_text(canonical_json(tokenizer_files)),
        "tokenizer_probe_sha256": check_tokenizer(directory),
    }


def count_parameters(directory) -> int:
    """Numbers in a directory's weight files, from their headers alone (tied weights are saved once)."""
    total = 0
    for path in sorted(Path(directory).glob("*.safetensors")):
        with safe_open(path, framework="np") as tensors:
            shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]
        total += sum(math.prod(shape) for shape in shapes)
    return total


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


def load_model(
    reference: ModelReference | str | Path, dtype: str = "float32", device: str = "auto", quantization=None
):
    """A causal language model in evaluation mode. `dtype`: a name of torch's, or "auto" (as saved);
    `quantization`: what transformers is to quantise the weights with while it reads them, or None.

    Safetensors only; no code from the repository is run. InputError as in `checked_directory`.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import set_tqdm_hook

    set_tqdm_hook(progress.in_place_of_a_bar)
    if not isinstance(reference, ModelReference):
        reference = resolve_model(reference)
    directory = checked_directory(reference)
    device = pick_device(device)
    placed = {"quantization_config": quantization, "device_map": device} if quantization else {}
    model = AutoModelForCausalLM.from_pretrained(
        directory, dtype=dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True, **placed
    )
    return (model if placed else model.to(device)).eval()
