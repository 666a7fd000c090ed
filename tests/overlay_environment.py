"""A virtual environment that has a lock's packages of its own, and else what this one has."""

import subprocess
import sysconfig
import venv
from pathlib import Path


def make_overlay(directory: Path, lock: str) -> Path:
    """Makes the environment, with exactly what `lock` names on top, and returns its Python."""
    venv.create(directory, symlinks=True, with_pip=False)
    python = directory / "bin/python"
    own = next(directory.glob("lib/python*/site-packages"))
    (own / "project.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile", "--no-deps"]
    subprocess.run([str(python), *install, "-r", lock], check=True)
    return python
