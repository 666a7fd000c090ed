"""Where a record comes from (model, engine, decoding, prompt templates, code), as one canonical JSON text."""

import functools
import importlib.metadata
import subprocess
from pathlib import Path

from workflow_scripts.core.code_digest import PROJECT_ROOT
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json, sha256_weights
from workflow_scripts.core.json_files import read_json

PACKAGES = ("bitsandbytes", "numpy", "peft", "tokenizers", "torch", "transformers", "trl", "vllm")


@functools.cache
def git_state() -> dict:
    """{"git_commit": SHA, "git_dirty": whether tracked files differ from it}; None without a repository."""

    def git(*arguments):
        command = ["git", "-C", str(PROJECT_ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {
            "git_commit": git("rev-parse", "HEAD"),
            "git_dirty": bool(git("status", "--porcelain", "-uno")),
        }
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_dirty": None}


@functools.cache
def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number; a local suffix such as +cpu is dropped."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def model_identity(model) -> dict:
    """{id, revision, weights_sha256, dtype} of `base/model.json` or of a model directory; never a path.

    A directory is called by its last name, has no revision, and its weights are hashed here.
    """
    model = Path(model)
    if model.is_file():
        identity = read_json(model)
        kept = {"revision": identity.get("revision"), "weights_sha256": identity["weights_sha256"]}
        return {"id": identity["label"], **kept, "dtype": identity.get("dtype")}
    try:
        settings = read_json(model / "config.json")
    except FileNotFoundError:
        raise InputError(
            file=model, remedy="give base/model.json or a directory that holds a model"
        ) from None
    dtype = settings.get("dtype") or settings.get("torch_dtype")
    return {"id": model.name, "revision": None, "weights_sha256": sha256_weights(model), "dtype": dtype}


def provenance(
    *,
    model: dict,
    engine: dict,
    sampling: dict,
    templates: dict[str, str],
    code: str,
    guard: dict | None = None,
    **extra,
) -> str:
    """Canonical JSON for a record's `provenance` column.

    `model` from model_identity, `engine` an engine's identity, `sampling` the decoding parameters,
    `templates` {name: SHA-256}, `code` a code digest, `guard` the contamination guard's verdict and flags,
    `extra` anything else that is the same for two identical runs. Holds no time, host or path.
    """
    content = {
        "model": model,
        "engine": engine,
        "sampling": sampling,
        "templates": templates,
        "code_digest": code,
        "packages": package_versions(),
        "template_disabled": True,
        "add_special_tokens": False,
        "contamination": guard,
        **git_state(),
        **extra,
    }
    return canonical_json(content)
