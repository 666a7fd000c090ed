"""Whether a model on the Hugging Face hub can be had: already here, or open to this machine's token."""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.model_files import LOADED, check_weights

TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Access:
    """Where a model comes from: a directory that has all of it, or so many bytes to download."""

    directory: Path | None
    download_bytes: int


def cached(repo: str, revision: str) -> Path | None:
    """The directory of a snapshot that is wholly in the cache, or None."""
    from huggingface_hub import snapshot_download

    try:
        directory = Path(
            snapshot_download(repo, revision=revision, allow_patterns=list(LOADED), local_files_only=True)
        )
        check_weights(directory)
    except (InputError, OSError):
        return None
    return directory


def _refuse(value: str, field: str, remedy: str):
    raise InputError(file="config", field=field, value=value, remedy=remedy) from None


def access(repo: str, revision: str) -> Access:
    """How a repository's revision can be had.

    InputError for a token that is missing or refused, terms that were not accepted, a repository or revision
    that is not there, and a hub that does not answer.
    """
    from huggingface_hub import HfApi, errors, get_token

    directory = cached(repo, revision)
    if directory is not None:
        return Access(directory, 0)
    api, field = HfApi(), "base_model.repo"
    has_token = get_token() is not None
    missing = "set HF_TOKEN to a token that may read it (the hub's settings page makes one)"
    try:
        api.auth_check(repo)
        info = api.model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
    except errors.GatedRepoError:
        terms = f"its terms were not accepted with this token: accept them at {api.endpoint}/{repo}"
        _refuse(repo, field, terms if has_token else f"it is gated and no token is set: {missing}")
    except errors.RevisionNotFoundError:
        remedy = f"{repo} has no such revision: correct it"
        _refuse(revision, "base_model.revision", remedy)
    except errors.RepositoryNotFoundError:
        unknown = "it does not exist, or it is private and this token may not read it"
        _refuse(repo, field, unknown if has_token else f"it does not exist, or it is private: {missing}")
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        remedy = "it refuses the token in HF_TOKEN: make a new one" if status == 401 else "try again later"
        _refuse(repo, field, f"the hub answers {status}: {remedy}")
    except Exception as error:  # whatever the connection ends in: names, certificates, proxies, timeouts
        remedy = f"not in the cache, and no hub can be reached ({type(error).__name__}): check the network"
        _refuse(repo, field, remedy)
    wanted = [file for file in info.siblings if any(fnmatch(file.rfilename, pattern) for pattern in LOADED)]
    return Access(None, sum(file.size or 0 for file in wanted))
