"""Where the parts of an archive would go on the Hugging Face hub, and sending them there on demand."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Upload:
    """One repository: its name, its kind (`dataset` or `model`), and {name in it: file}."""

    repo: str
    kind: str
    files: dict[str, Path]

    @property
    def address(self) -> str:
        """Its address on the hub."""
        return f"https://huggingface.co/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"


def adapters(folder: Path) -> dict[str, Path]:
    """{arm: folder of its adapter} of those that the archive holds."""
    models = folder / "results/models"
    return {
        "-".join(path.parent.relative_to(models).parts): path.parent
        for path in sorted(models.rglob("adapter_model.safetensors"))
    }


def card_name(arm: str) -> str:
    """Where the archive holds an adapter's card."""
    return f"cards/{arm}.md"


def plan(folder: Path, repo: str) -> list[Upload]:
    """The whole archive as a data set, and each adapter as a model of its own."""
    everything = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    uploads = [Upload(repo, "dataset", everything)]
    for arm, directory in adapters(folder).items():
        files = {name: directory / name for name in ("adapter_model.safetensors", "adapter_config.json")}
        uploads.append(Upload(f"{repo}-{arm}", "model", {**files, "README.md": folder / card_name(arm)}))
    return uploads


def send(uploads: list[Upload]) -> None:
    """Creates the repositories, private, and sends every file, with the hub client's own token."""
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    for upload in uploads:
        api.create_repo(upload.repo, repo_type=upload.kind, private=True, exist_ok=True)
        files = [CommitOperationAdd(name, str(path)) for name, path in upload.files.items()]
        api.create_commit(
            upload.repo, files, repo_type=upload.kind, commit_message="One run of cai-bootstrap"
        )
