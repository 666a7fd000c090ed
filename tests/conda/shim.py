"""The part of conda's command line that Snakemake calls, on py-rattler, where conda itself cannot be had.

As conda does, it takes CONDA_CHANNEL_ALIAS (where `conda-forge` lies) and CONDA_PKGS_DIRS (its cache), and
installs the pip section of an environment with the environment's own pip. `write_base` makes a base directory
whose bin/ belongs on PATH.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SPEAKS = "24.11.3"  # the version of conda whose command line this is; Snakemake asks for 24.7.1 or newer
ACTIVATE = """# Sourced by Snakemake before each job: source activate PREFIX
export CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$1" CONDA_SHLVL=1 PATH="$1/bin:$PATH"
hash -r
"""


def write_base(base: Path) -> Path:
    """Makes base/bin with `conda` (this module, in the running interpreter) and `activate`; returns bin."""
    (base / "bin").mkdir(parents=True)
    command = f'#!/bin/sh\nexec "{sys.executable}" -I "{Path(__file__).resolve()}" "{base}" "$@"\n'
    (base / "bin" / "conda").write_text(command)
    (base / "bin" / "conda").chmod(0o755)
    (base / "bin" / "activate").write_text(ACTIVATE)
    return base / "bin"


async def install(channels: list[str], specs: list[str], prefix: Path) -> None:
    """Solves the conda packages of an environment and installs them into a prefix."""
    import rattler
    from rattler.platform import Platform

    cache = Path(os.environ["CONDA_PKGS_DIRS"])
    config = rattler.ChannelConfig(channel_alias=os.environ["CONDA_CHANNEL_ALIAS"].rstrip("/") + "/")
    records = await rattler.solve(
        sources=[rattler.Channel(name, config) for name in channels if name != "nodefaults"],
        specs=specs,
        gateway=rattler.Gateway(cache_dir=cache / "repodata"),
        platforms=[str(Platform.current()), "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    await rattler.install(records, target_prefix=prefix, cache_dir=cache / "packages", show_progress=False)


def install_pip_section(requirements: list[str], prefix: Path) -> None:
    """Installs an environment's pip section as conda does; CalledProcessError when pip fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(requirements) + "\n")
        file.flush()
        python = [f"{prefix}/bin/python", "-m", "pip"]
        own = {"PATH": f"{prefix}/bin:{os.environ['PATH']}", "CONDA_PREFIX": str(prefix)}
        options = ["install", "-U", "-r", file.name, "--exists-action=b"]
        subprocess.run([*python, *options], check=True, env=os.environ | own)


def create(file: Path, prefix: Path) -> None:
    """conda env create --file FILE --prefix PREFIX"""
    import yaml

    environment = yaml.safe_load(file.read_text())
    dependencies = environment["dependencies"]
    specs = [entry for entry in dependencies if isinstance(entry, str)]
    asyncio.run(install(environment["channels"], specs, prefix))
    for entry in dependencies:
        if isinstance(entry, dict):
            install_pip_section(entry["pip"], prefix)


def main() -> None:
    base, *words = sys.argv[1:]
    if words == ["--version"]:
        print(f"conda {SPEAKS}")
    elif words == ["info", "--json"]:
        print(json.dumps({"conda_prefix": base, "platform": "linux-64", "conda_version": SPEAKS}))
    elif words == ["config", "--get", "channel_priority", "--json"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif words[:1] != ["clean"]:  # the cache is the test's own
        parser = argparse.ArgumentParser(prog="conda")
        parser.add_argument("words", nargs=2, choices=["env", "create"])
        for flag in ("--quiet", "--no-default-packages"):
            parser.add_argument(flag, action="store_true")
        parser.add_argument("--file", type=Path, required=True)
        parser.add_argument("--prefix", type=Path, required=True)
        arguments = parser.parse_args(words)
        create(arguments.file, arguments.prefix)


if __name__ == "__main__":
    main()
