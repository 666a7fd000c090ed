"""Profiles of executors that are not installed: a laptop can review the run of a cluster."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from workflow_scripts.core.runtime import say

OPTION, FILE = "--profile", "config.yaml"


@contextmanager
def without_missing_executor(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The arguments, with a profile whose executor is not installed replaced by one without that executor.

    Which jobs would run does not depend on who would run them.
    """
    arguments = list(arguments)
    place = arguments.index(OPTION) + 1 if OPTION in arguments else 0
    path = Path(arguments[place]) / FILE if place else None
    profile = yaml.safe_load(path.read_text(encoding="utf-8")) if path and path.is_file() else {}
    executor = profile.get("executor")
    if executor is None or ExecutorPluginRegistry().is_installed(executor):
        yield arguments
        return
    say(f"{path}: the executor {executor} is not installed; reviewed without it")
    kept = {
        name: value
        for name, value in profile.items()
        if name != "executor" and not name.startswith(f"{executor}-")
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_text(yaml.safe_dump(kept), encoding="utf-8")
        arguments[place] = folder
        yield arguments
