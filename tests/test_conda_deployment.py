"""The environments deployed for real by Snakemake from a local channel, and the smallest workflow run there.

A user site and a PYTHONPATH are planted whose pyarrow cannot be imported: a job that saw either would fail.
Every start of an environment's Python is noted there, with what it could import from.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.conda.channel import write_channel, write_wheels
from tests.conda.shim import write_base
from tests.conftest import REPOSITORY, TINY, copy_sources
from tests.test_environments import DISTRIBUTIONS, RULES, direct, name_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
each_environment = pytest.mark.parametrize("name", [path.stem for path in ENVIRONMENTS])
POISON = "raise ImportError('this belongs to the user, not to the environment')\n"
NOTES = "starts.jsonl"
# Installed into each environment: Python runs it when it starts, before anything is imported.
NOTE_TAKER = f"""
import json, os, sys
with open(os.path.join(sys.prefix, "{NOTES}"), "a") as notes:
    start = {{"command": sys.orig_argv[1:], "path": sys.path, "pythonpath": os.environ.get("PYTHONPATH")}}
    notes.write(json.dumps(start) + "\\n")
"""
PROBE = """
import importlib, json, sys
found = {name: importlib.import_module(name).__file__ for name in sys.argv[1:]}
print(json.dumps({"prefix": sys.prefix, "path": sys.path, "files": found}))
"""


@dataclass(frozen=True)
class Deployment:
    """A clone whose environments are deployed; `environments`: {name: prefix}."""

    clone: Path
    environments: dict
    variables: dict

    def snakemake(self, *arguments: str) -> str:
        """Runs Snakemake with conda on the smallest workflow; its output."""
        command = [sys.executable, "-m", "snakemake", *arguments, "--profile", "profiles/local"]
        options = ["--software-deployment-method", "conda", "--configfile", TINY]
        result = subprocess.run(
            [*command, *options],
            cwd=self.clone,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == 0, result.stdout[-8000:]
        return result.stdout

    def starts(self, name: str) -> list[dict]:
        """What was noted at each start of an environment's Python."""
        lines = (self.environments[name] / NOTES).read_text().splitlines()
        return [json.loads(line) for line in lines]


def plant(directory: Path) -> Path:
    """A directory with a package that cannot be imported."""
    directory.mkdir(parents=True)
    (directory / "pyarrow.py").write_text(POISON)
    return directory


def variables_for(root: Path) -> dict:
    """The environment variables of a user with a conda, a local channel, and modules where they may hurt."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    plant(root / "user" / "lib" / version / "site-packages")
    paths = [write_base(root / "conda"), Path(sys.executable).parent, os.environ["PATH"]]
    ours = {
        "CONDA_CHANNEL_ALIAS": (root / "channels").as_uri(),
        "CONDA_PKGS_DIRS": str(root / "cache"),
        "PATH": os.pathsep.join(map(str, paths)),
        "PIP_FIND_LINKS": str(root / "wheels"),
        "PIP_NO_COMPILE": "1",  # only what is imported gets compiled, when it is imported
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": str(plant(root / "python_path")),
        "PYTHONUSERBASE": str(root / "user"),
    }
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | ours


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> Deployment:
    """The shipped environment files, deployed as they are from stand-ins for conda-forge and CUDA builds."""
    root = tmp_path_factory.mktemp("conda")
    for name in ("downloads", "wheels"):
        (root / name).mkdir()
    write_channel(root / "channels" / "conda-forge", ENVIRONMENTS, root / "downloads")
    write_wheels(root / "wheels", ENVIRONMENTS, root / "downloads")
    clone = copy_sources(root / "clone")
    deployment = Deployment(clone, {}, variables_for(root))
    deployment.snakemake("--conda-create-envs-only")
    for path in (clone / ".snakemake" / "conda").glob("*.yaml"):
        (name,) = re.findall(r"^name: (\w+)$", path.read_text(), re.MULTILINE)
        prefix = deployment.environments[name] = path.with_suffix("")
        (packages,) = prefix.glob("lib/python*/site-packages")
        (packages / "note_taker.py").write_text(NOTE_TAKER)
        (packages / "note_taker.pth").write_text("import note_taker\n")
    return deployment


@each_environment
def test_an_environment_has_what_its_rules_import_and_nothing_of_the_controller(deployed, name):
    prefix = deployed.environments[name]
    needed = direct(REPOSITORY / "envs" / f"{name}.yaml")
    modules = sorted(
        module
        for module, (distribution, *_) in DISTRIBUTIONS.items()
        if name_of(distribution) in needed and module.isidentifier() and not module.startswith("_")
    )
    assert len(modules) > 8
    command = [prefix / "bin" / "python", "-I", "-c", PROBE]
    wanted = [*modules, "vllm"] if name == "generate" else modules
    result = subprocess.run([*command, *wanted], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["prefix"] == str(prefix)
    outside = [
        file for file in [*found["path"], *found["files"].values()] if not file.startswith(str(prefix))
    ]
    assert outside == []
    for absent in ("snakemake", "pytest", "torch" if name == "analysis" else "sklearn"):
        refused = subprocess.run([*command, absent], capture_output=True, text=True)
        assert f"No module named '{absent}'" in refused.stderr


@pytest.fixture(scope="module")
def finished(deployed) -> Deployment:
    """The whole smallest workflow, run in the deployed environments."""
    deployed.snakemake()
    return deployed


@each_environment
def test_each_rule_ran_in_its_environment_which_saw_nothing_from_outside(finished, name):
    prefix = str(finished.environments[name])
    jobs = [start for start in finished.starts(name) if start["command"][:1] == ["-m"]]
    ran = {start["command"][1] for start in jobs}
    made = {path.stem.split("-")[0] for path in (finished.clone / "benchmarks").glob("*.jsonl")}
    of_environment = {
        module.removesuffix(".py").replace("/", ".")
        for rule, (module, used) in RULES.items()
        if used == f"envs/{name}.yaml" and rule in made
    }
    assert ran == of_environment and len(ran) > 2
    assert all(start["pythonpath"] is None for start in jobs)
    assert [path for start in jobs for path in start["path"] if not path.startswith(prefix)] == []


def content(path: Path):
    """What a file holds, but for the names of installed packages in the provenance of records."""
    if path.suffix != ".parquet":
        return path.read_bytes()
    rows = pyarrow.parquet.read_table(path).to_pylist()
    for row in rows:
        if "provenance" in row:
            row["provenance"] = json.loads(row["provenance"])
            row["provenance"].pop("packages")
    return rows


def contents(directory: Path) -> dict:
    """{file: content} of all records and weights of a run."""
    results = directory / "results"
    files = [
        path for pattern in ("**/*.parquet", "models/**/*.safetensors") for path in results.glob(pattern)
    ]
    kept = [path for path in files if ".state" not in path.parts]
    return {str(path.relative_to(results)): content(path) for path in kept}


def test_records_and_weights_are_those_of_the_local_environment(finished, finished_run):
    ours, local = contents(finished.clone), contents(finished_run)
    assert len(ours) > 40 and ours.keys() == local.keys()
    assert [file for file in ours if ours[file] != local[file]] == []


def test_switching_conda_off_or_on_reruns_nothing(finished):
    assert "Nothing to be done" in finished.snakemake("--dry-run")
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--configfile", TINY, "-n"]
    own = {name: value for name, value in finished.variables.items() if name != "PYTHONPATH"}
    local = subprocess.run(command, cwd=finished.clone, env=own, capture_output=True, text=True)
    assert "Nothing to be done" in local.stdout + local.stderr
