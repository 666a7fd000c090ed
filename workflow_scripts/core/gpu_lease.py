"""A GPU of one's own for each job, where several jobs share a machine with several GPUs.

Snakemake counts GPUs but does not say which one is whose. A job takes one by a file lock, which the kernel
gives back however the job ends.
"""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from workflow_scripts.core import machine

# Of the machine, so not below the working directory, which several pods may share.
LOCKS = Path("/tmp/cai-bootstrap-gpus")
WAIT_SECONDS = 1.0
TELL_SECONDS = 60.0


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock; None while another process has it."""
    # Another user's file may be read and locked, but not be opened for writing.
    handle = os.open(path, os.O_RDONLY if path.exists() else os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _wait(candidates: dict[str, machine.Gpu], locks: Path, say: Callable[[str], None]) -> tuple[str, int]:
    """The name of the first GPU that is free, with its lock; waits as long as none is."""
    told = -TELL_SECONDS
    while True:
        for name, gpu in candidates.items():
            handle = _try_lock(locks / f"{gpu.uuid}.lock")
            if handle is not None:
                return name, handle
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            say(f"waits for a GPU: all {len(candidates)} are in use by other jobs")
        time.sleep(WAIT_SECONDS)


@contextmanager
def leased(say: Callable[[str], None], locks: Path | None = None):
    """Holds one of the visible GPUs, to which CUDA_VISIBLE_DEVICES is narrowed, and yields it.

    Must be entered before CUDA starts. Yields None, and changes nothing, without an NVIDIA GPU, and within a
    Slurm job that was given its GPUs by Slurm.
    """
    given_by_slurm = {"CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"} <= os.environ.keys()
    candidates = {} if given_by_slurm else machine.visible_gpus()
    if not candidates:
        yield None
        return
    locks = locks or LOCKS
    if not locks.exists():
        locks.mkdir(parents=True, exist_ok=True)
        locks.chmod(0o1777)  # other users of the machine lock in it, too
    name, handle = _wait(candidates, locks, say)
    before = {key: os.environ.get(key) for key in ("CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES")}
    # An index means the same GPU to CUDA as to nvidia-smi only in the order of the bus.
    os.environ |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": name}
    try:
        if len(candidates) > 1:
            say(f"runs on GPU {name}: {candidates[name].name}")
        yield candidates[name]
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
        os.close(handle)
