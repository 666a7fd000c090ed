"""Outputs that are whole or absent: locked, written under a temporary name, and moved into place."""

import fcntl
import json
import os
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path

from workflow_scripts.core.errors import InputError


def json_text(value) -> str:
    """Canonical JSON for a file: sorted keys, indent 1, newline at the end. ValueError for NaN, infinity."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path, value) -> None:
    """Writes `json_text`."""
    Path(path).write_text(json_text(value), encoding="utf-8")


def temporary_name(path: Path) -> Path:
    """The name beside `path` under which it is written: hidden, with the same suffix."""
    return path.with_name(f".writing-{path.name}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def claimed(path: Path, wait: bool = False):
    """Yields whether this process, and no other, may write `path` for now: false while another one has it.

    `wait`: waits until the other one is done, or gone.
    """
    lock = path.with_name(f".lock-{path.name}")
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            yield False
            return
        # The last holder removes the lock file: a lock on a removed file protects nothing, so try again.
        if lock.exists() and os.fstat(handle).st_ino == lock.stat().st_ino:
            break
        os.close(handle)
    try:
        yield True
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def _locked(path: Path):
    """Holds an exclusive lock for one output; InputError when another process holds it."""
    with claimed(path) as mine:
        if not mine:
            remedy = "another process is writing this output: wait for it, or end it, and run again"
            raise InputError(file=path, remedy=remedy)
        yield


def _move(source: Path, target: Path) -> None:
    """Puts a finished file or directory in its place; an earlier one is replaced."""
    if target.is_dir() and not target.is_symlink():
        old = target.with_name(f".replaced-{target.name}")
        _remove(old)
        os.rename(target, old)
        os.rename(source, target)
        _remove(old)
    else:
        os.replace(source, target)


@contextmanager
def guarded(*paths):
    """Yields one temporary path per output, in the same order: write it as a file or make it a directory.

    All are moved into place when the body ends well; all are removed when it raises. What a killed writer
    left is removed by the next. InputError when another process is writing one of them; FileNotFoundError,
    and nothing moved, when the body did not write one of them.
    """
    targets = [Path(path) for path in paths]
    temporary = [temporary_name(target) for target in targets]
    with ExitStack() as locks:
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            locks.enter_context(_locked(target))
        try:
            for path in temporary:
                _remove(path)
            yield tuple(temporary)
            missing = [
                str(target) for path, target in zip(temporary, targets, strict=True) if not path.exists()
            ]
            if missing:
                raise FileNotFoundError(f"not written: {', '.join(missing)}")
            for path, target in zip(temporary, targets, strict=True):
                _move(path, target)
        finally:
            for path in temporary:
                _remove(path)
