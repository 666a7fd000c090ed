"""What surrounds every job: quiet libraries, one-line errors, an end when the scheduler is gone."""

import os
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import PurePath

import psutil

from workflow_scripts.core import gpu_lease, usage
from workflow_scripts.core.errors import InputError

QUIET = {
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # else a thread asks the hub to convert pickled weights
    "DO_NOT_TRACK": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait slow the jobs beside them
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "VLLM_NO_USAGE_STATS": "1",
    "WANDB_ERROR_REPORTING": "false",
}
WATCH_SECONDS = 0.5


def say(message: str) -> None:
    """Prints one line to stderr at once."""
    print(message, file=sys.stderr, flush=True)


def _is_snakemake(process: psutil.Process) -> bool:
    """Whether a process is Snakemake itself, and not a shell whose command only mentions it."""
    try:
        words = process.cmdline()[:4]
    except psutil.Error:
        return False
    if any(
        word == "-m" and following == "snakemake" for word, following in zip(words, words[1:], strict=False)
    ):
        return True
    return any(PurePath(word).name == "snakemake" for word in words[:2])


def scheduler_chain() -> list[psutil.Process]:
    """This process and its parents up to the outermost Snakemake; empty when there is none above."""
    chain = [psutil.Process(), *psutil.Process().parents()]
    last = max((place for place, process in enumerate(chain) if place and _is_snakemake(process)), default=-1)
    return chain[: last + 1]


def _is_intact(chain: list[psutil.Process]) -> bool:
    """Whether every process of the chain still has the next one as its parent."""
    try:
        return all(child.ppid() == parent.pid for child, parent in zip(chain, chain[1:], strict=False))
    except psutil.Error:
        return False


def watch_scheduler() -> None:
    """Ends this process, removing nothing, soon after the Snakemake above it is gone.

    Snakemake's local jobs survive `kill -9` of Snakemake; the next run would start others beside them.
    """
    chain = scheduler_chain()
    if not chain:
        return

    def watch():
        while _is_intact(chain):
            time.sleep(WATCH_SECONDS)
        os._exit(143)

    threading.Thread(target=watch, name="scheduler-watch", daemon=True).start()


def quiet_libraries() -> None:
    """Turns off progress bars, telemetry and warnings of the libraries; before they are imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _terminate(signum, frame):
    sys.exit(128 + signum)


@contextmanager
def job(name: str, uses_gpu: bool = False):
    """The whole body of a command-line module's `main`. `name`: its rule, then which part of the rule's work.

    Quiets the libraries, watches the scheduler, turns an InputError into one line on stderr and exit status
    1, makes SIGTERM unwind (so that nothing half written stays), records what the job uses (`core.usage`),
    and prints how long it took. `uses_gpu`: it loads a model on the accelerator, and its time costs money; it
    gets a GPU of its own (`core.gpu_lease`).
    """
    quiet_libraries()
    watch_scheduler()
    start = time.monotonic()
    in_main_thread = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGTERM, _terminate) if in_main_thread else None
    try:
        # The lease comes first: before CUDA starts, and before the time begins to cost.
        lease = gpu_lease.leased(lambda line: say(f"{name}: {line}")) if uses_gpu else nullcontext()
        with lease, usage.recorded(name, uses_gpu):
            yield
    except InputError as error:
        say(f"{name}: error: {error}")
        sys.exit(1)
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, previous)
    say(f"{name}: done in {time.monotonic() - start:.1f} s")
