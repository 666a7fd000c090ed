"""The curves of trainings in TensorBoard and Weights & Biases, where the configuration asks for them.

It says so in the environment variable CAI_TRACKING, never by a parameter of a rule: what is watched is no
part of what is made, and switching it on or off makes nothing anew. What trackers write is no output. A
tracker that fails is left out, and the training goes on.
"""

import importlib.util
import json
import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from workflow_scripts.core.errors import InputError

VARIABLE = "CAI_TRACKING"
REQUIREMENTS = "requirements-tracking.txt"
OFFLINE = ("offline", "dryrun", "disabled")
HOSTS = ("api.forge.coreweave.com", "api.wandb.ai")  # W&B's own, by its newer and its older name


@dataclass(frozen=True)
class Tracking:
    """Which trackers are told (`tensorboard`, `wandb`), the folder for what they write, and W&B's project."""

    report_to: list[str]
    directory: str
    project: str


def stated() -> Tracking | None:
    """What the Snakefile asked for, or None."""
    text = os.environ.get(VARIABLE)
    return Tracking(**json.loads(text)) if text else None


def _has_key(environ: Mapping[str, str]) -> bool:
    """Whether W&B can log in without asking: by the environment, or as `wandb login` left it."""
    if environ.get("WANDB_API_KEY"):
        return True
    own = environ.get("WANDB_BASE_URL")
    hosts = [urlsplit(own).netloc] if own else HOSTS
    try:
        known = netrc.netrc(Path(environ.get("NETRC", Path.home() / ".netrc")))
    except (OSError, netrc.NetrcParseError):
        return False
    return any(known.authenticators(host) is not None for host in hosts)


def check(report_to: list[str], environment: Path | None, environ: Mapping[str, str] = os.environ) -> None:
    """InputError where a tracker could not be told: before any job, as a training would be the first to
    notice.

    `environment`: the conda environment that trainings run in, or None where they run in this one.
    """
    if environment is not None:
        pins = yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"]
        named = {pin.split("==")[0] for entry in pins if isinstance(entry, dict) for pin in entry["pip"]}
    for name in report_to:
        if environment is not None and name not in named:
            remedy = (
                f"trainings run in {environment}, which has no {name}: add it there as in {REQUIREMENTS} and"
                " run make environments (they are then trained again), or do without"
            )
            raise InputError(file="config", field="tracking.report_to", value=name, remedy=remedy)
        if environment is None and importlib.util.find_spec(name) is None:
            remedy = f"it is not installed: pip install -r {REQUIREMENTS} -c constraints.txt, or do without"
            raise InputError(file="config", field="tracking.report_to", value=name, remedy=remedy)
    if "wandb" in report_to and environ.get("WANDB_MODE") not in OFFLINE and not _has_key(environ):
        remedy = "no key is there: set WANDB_API_KEY, run wandb login, or set WANDB_MODE=offline"
        raise InputError(file="config", field="tracking.report_to", value="wandb", remedy=remedy)
