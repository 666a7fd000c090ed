"""The jobs of a run, as the workflow itself would start them: command, inputs, outputs, in order."""

import contextlib
import io
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

MODULES = "workflow_scripts."


@dataclass(frozen=True)
class Job:
    """One job. Paths are below the place; `options` is its command line as a dict."""

    rule: str
    module: str
    arguments: list[str]
    inputs: dict[str, list[str]]
    outputs: list[str]
    directories: list[str]
    uses_gpu: bool
    code: str
    options: dict[str, list[str]] = field(default_factory=dict)

    @property
    def needed(self) -> list[str]:
        """All input files."""
        return [path for paths in self.inputs.values() for path in paths]


def command_of(shell: str) -> tuple[str, list[str]]:
    """(module, arguments) of a rule's command line, which is `python -m MODULE ARGUMENTS 2>&1 | tee LOG`."""
    words = shlex.split(shell)
    words = words[: words.index("2>&1")] if "2>&1" in words else words
    return words[2].removeprefix(MODULES), words[3:]


def options_of(arguments: list[str]) -> dict[str, list[str]]:
    """{option without dashes: its values} of a command line that has options alone."""
    found, name = {}, None
    for word in arguments:
        if word.startswith("--"):
            name = word.removeprefix("--")
            found[name] = []
        elif name:
            found[name].append(word)
    return found


def _plain(job) -> Job:
    module, arguments = command_of(job.shellcmd)
    inputs = {name: _listed(getattr(job.input, name)) for name in job.input.keys()}
    outputs = [str(path) for path in job.output if not path.is_directory]
    directories = [str(path) for path in job.output if path.is_directory]
    uses_gpu = bool(job.resources.get("gpu"))
    code = str(job.params.get("code", ""))
    options = options_of(arguments)
    return Job(job.rule.name, module, arguments, inputs, outputs, directories, uses_gpu, code, options)


def _listed(value) -> list[str]:
    return [str(value)] if isinstance(value, str) else [str(path) for path in value]


def list_jobs(root: Path) -> list[Job]:
    """Every job of `rule all` in a place that `workplace.build` made, in an order in which each could run.

    To be called in a process of its own: Snakemake changes the working directory and its loggers.
    RuntimeError when this project's workflow does not take the run's configuration (an InputError does not
    survive the way between processes).
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import DAGSettings, OutputSettings, ResourceSettings

    os.chdir(root)
    noise = io.StringIO()
    try:
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            workflow = api.workflow(ResourceSettings(cores=1), snakefile=root / "Snakefile", workdir=root)
            dag = workflow.dag(DAGSettings(forceall=True))
            with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
                dag.printd3dag()
            levels = workflow._workflow.dag.toposorted()
            return [
                _plain(job)
                for level in levels
                for job in sorted(level, key=lambda job: (job.rule.name, str(job.output)))
                if job.shellcmd
            ]
    except Exception as error:
        raise RuntimeError(" ".join(str(error).split()) or type(error).__name__) from None
