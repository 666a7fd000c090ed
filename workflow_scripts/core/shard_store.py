"""Shards that are made ahead: one load of a model serves several shards, and what is made survives a kill.

A job that has loaded its model makes its own shard and then those of its block, `shards_per_load`
neighbours, that are not there and that no other job is making. Each is moved into a store when it is whole.
The job of such a shard finds it there and delivers it without loading anything. Jobs that run side by side
share a block.

The store lies outside every declared output, as Snakemake deletes what a failed job declared: in
`<directory of the shards>/.state/<fingerprint>/`, named by a digest of all that the shards depend on, so that
nothing is taken over when an input, a setting or the code has changed. Who made a shard is no part of it.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from workflow_scripts.core import hashing
from workflow_scripts.core.outputs import claimed, temporary_name
from workflow_scripts.core.progress import Progress

STATE = ".state"


def fingerprint(*, settings: str, code: str, files, **content) -> str:
    """SHA-256 over a job's settings, the digest of its code, the bytes of its input files (None: not given),
    and whatever else its shards depend on; but not over a shard's own number."""
    digests = [hashing.sha256_file(path) if path else None for path in files]
    everything = {"settings": settings, "code": code, "files": digests, **content}
    return hashing.sha256_text(hashing.canonical_json(everything))


class ShardStore:
    """The store of one job's block. `output`: the file that its own shard is declared to go to, whose name
    holds the shard's number; `shards` are all there are, in blocks of `shards_per_load`."""

    def __init__(self, output, own: int, shards: int, shards_per_load: int, name: str):
        self.output, self.own, self.name = Path(output), own, name
        self.state = self.output.parent / STATE
        first = own - own % shards_per_load
        self.block = range(first, min(shards, first + shards_per_load))
        (self.state / name).mkdir(parents=True, exist_ok=True)

    def output_of(self, shard: int) -> Path:
        """The file that a shard of the block is declared to go to."""
        return self.output.with_name(self.output.name.replace(f"{self.own:03d}", f"{shard:03d}"))

    def path(self, shard: int, stage: str = "made") -> Path:
        """Where a shard lies in the store; `stage`: how far it has come."""
        output = self.output_of(shard)
        return self.state / self.name / f"{output.stem}-{stage}{output.suffix}"

    def fill(self, make: Callable[[int, Path], None], stage: str = "made", after: str | None = None) -> None:
        """Calls make(shard, path to write) for each shard of the block that is wanted and has not come to
        this stage: first for the job's own, for which it waits while another job makes it.

        after: the stage before this one, which another shard must have come to already.
        """
        counter = Progress(len(self.block), "shards", f"shards to be {stage}", brief=True)
        for shard in (self.own, *(other for other in self.block if other != self.own)):
            path = self.path(shard, stage)
            with claimed(path, wait=shard == self.own) as mine:
                if mine and self._is_wanted(shard, after) and not path.exists():
                    temporary = temporary_name(path)
                    try:
                        make(shard, temporary)
                        os.replace(temporary, path)
                    finally:
                        temporary.unlink(missing_ok=True)
                    counter.advance()
                else:
                    counter.total -= 1  # what others made says nothing of this job's rate

    def deliver(self, target) -> None:
        """Copies the job's own shard to its output. It stays in the store until `settle`."""
        shutil.copyfile(self.path(self.own), target)

    def settle(self) -> None:
        """Notes that the job's own shard is in its place, and removes it from the store, older ones too."""
        self._note(self.own).write_text(self.name, encoding="utf-8")
        for path in self.state.glob(f"*/{self.output.stem}-*"):
            path.unlink(missing_ok=True)
        for directory in self.state.iterdir():
            if directory.is_dir() and directory.name != self.name and not any(directory.iterdir()):
                directory.rmdir()

    def _note(self, shard: int) -> Path:
        """The file that holds the fingerprint of a shard that was delivered."""
        return self.state / f"delivered-{self.output_of(shard).stem}"

    def _is_wanted(self, shard: int, after: str | None) -> bool:
        """Whether a shard is still to be made: the job's own; another when nothing is in its place, or what
        is there was delivered for another fingerprint and so will be made again."""
        if self.path(shard).exists() or (after and not self.path(shard, after).exists()):
            return False
        if shard == self.own or not self.output_of(shard).exists():
            return True
        note = self._note(shard)
        return note.exists() and note.read_text(encoding="utf-8") != self.name
