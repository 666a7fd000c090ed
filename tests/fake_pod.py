"""A pod that is not there: nvidia-smi and runpodctl as scripts on PATH, which print what a test wants."""

import os
from pathlib import Path

H100 = "NVIDIA H100 80GB HBM3"


def write_command(directory: Path, name: str, script: str) -> Path:
    """An executable shell script in a directory that a test puts on PATH."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    return path


def fake_gpus(
    directory: Path,
    count: int = 1,
    name: str = H100,
    total: int | str = 81559,
    free: int | str = 81000,
    driver: str = "580.95.05",
    cuda: str = "13.0",
) -> Path:
    """nvidia-smi of a machine with so many GPUs; memory in MiB. No GPU: as where the driver is missing."""
    lines = [
        f"{i}, GPU-{i}{i}{i}{i}-fake, {name}, {total}, {free if i == 0 else total}, {driver}"
        for i in range(count)
    ]
    header = f"| NVIDIA-SMI {driver}   Driver Version: {driver}   CUDA Version: {cuda} |"
    listing = "\n".join(lines)
    script = f"""if [[ "$*" == *--query-gpu* ]]; then cat <<'END'\n{listing}\nEND\nelse echo '{header}'; fi"""
    if not count:
        script = "echo 'NVIDIA-SMI has failed: no driver' >&2; exit 9"
    return write_command(directory, "nvidia-smi", script)


def on_path(directory: Path) -> str:
    """PATH with the directory first."""
    return f"{directory}{os.pathsep}{os.environ['PATH']}"
