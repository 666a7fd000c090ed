"""Fetches a model from the Hugging Face hub, with lines of progress in place of the library's bars."""

import threading
from fnmatch import fnmatch
from pathlib import Path

from workflow_scripts.core.model_files import LOADED
from workflow_scripts.core.progress import GIGABYTE, Progress

WRITTEN = "huggingface_hub.snapshot_download"  # the library's bar of all files together


def bytes_to_fetch(repo: str, revision: str) -> int:
    """The size of the files that are not in the cache yet, once their list is."""
    from huggingface_hub import get_cached_repo_tree, try_to_load_from_cache

    return sum(
        file.size
        for file in get_cached_repo_tree(repo, revision=revision)
        if any(fnmatch(file.path, pattern) for pattern in LOADED)
        and not isinstance(try_to_load_from_cache(repo, file.path, revision=revision), str)
    )


def bar_class(repo: str, revision: str) -> type:
    """What the library is to make in place of its bars: it shows nothing, and counts the bytes written."""
    from huggingface_hub.utils import tqdm

    class Lines(tqdm):
        counter, one_at_a_time = None, threading.Lock()  # files are fetched side by side

        def __init__(self, *arguments, **named):
            self.counts = named.get("name") == WRITTEN
            super().__init__(*arguments, **{**named, "disable": True})

        def update(self, n=1):
            if not self.counts or not n:
                return
            with self.one_at_a_time:
                if self.counter is None:
                    total = bytes_to_fetch(repo, revision)
                    self.counter = Progress(total, "GB", f"download of {repo}", scale=GIGABYTE, brief=True)
                self.counter.advance(n)

    return Lines


def fetch(repo: str, revision: str) -> Path:
    """The directory of a repository's model at a pinned revision, downloaded once: what is wholly in the
    cache calls nobody. Errors are the library's."""
    from huggingface_hub import snapshot_download

    directory = snapshot_download(
        repo, revision=revision, allow_patterns=list(LOADED), tqdm_class=bar_class(repo, revision)
    )
    return Path(directory)
