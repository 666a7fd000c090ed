"""Writes, below each environment's direct pins, the exact versions of everything that they bring along.

    python envs/lock.py            # all of them; make environments does this
    python envs/lock.py --check    # changes nothing; fails where a file is not what its pins resolve to

The packages are those for CUDA on Linux, resolved by uv from the package index; nothing is installed.
Versions that the requirement files lock are taken from there, so that an environment and a local installation
agree wherever they share a package. `--check` holds a file to its own versions: a release that came out since
changes nothing, but a package too many, too few or at odds with another is found.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ENVIRONMENTS = Path(__file__).parent
LOCKED_HERE = ("requirements.txt", "constraints.txt", "requirements-vllm.txt")
MARK = "      # What these bring along, for CUDA on Linux; written by envs/lock.py.\n"
PLATFORM = ("--python-platform", "x86_64-manylinux_2_28", "--python-version", "3.11")
PIN = re.compile(r"^ {6}- ([A-Za-z0-9._-]+==\S+)$", re.MULTILINE)


def direct_pins(text: str) -> list[str]:
    """Pins above the mark: what the rules need by name."""
    return PIN.findall(text.partition(MARK)[0])


def all_pins(text: str) -> list[str]:
    """Every pin of an environment file, sorted."""
    return sorted(PIN.findall(text))


def local_pins() -> list[str]:
    """What the requirement files lock, but for packages that only a CPU build of vLLM asks for."""
    root = ENVIRONMENTS.parent
    lines = [line for name in LOCKED_HERE if (root / name).exists() for line in (root / name).open()]
    return [line.strip() for line in lines if re.match(r"[A-Za-z0-9._-]+==[^+\s]+\s*$", line)]


def resolve(pins: list[str], constraints: list[str]) -> list[str]:
    """The whole environment of `pins` for CUDA on Linux, sorted. CalledProcessError when there is none."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(dict.fromkeys(constraints)) + "\n")
        file.flush()
        command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--constraints", file.name, *PLATFORM]
        command += ["--quiet", "--no-header", "--no-annotate"]
        result = subprocess.run(command, input="\n".join(pins), text=True, check=True, stdout=subprocess.PIPE)
    return sorted(result.stdout.split())


def locked(text: str) -> str:
    """The environment file with everything below its direct pins resolved anew."""
    pins = direct_pins(text)
    more = sorted(set(resolve(pins, local_pins())) - set(pins))
    return text.partition(MARK)[0] + MARK + "".join(f"      - {pin}\n" for pin in more)


def difference(text: str) -> list[str]:
    """What keeps an environment file from being exactly what its direct pins resolve to: one line each."""
    found, expected = set(all_pins(text)), set(resolve(direct_pins(text), all_pins(text)))
    return [f"not needed: {pin}" for pin in sorted(found - expected)] + [
        f"missing: {pin}" for pin in sorted(expected - found)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail where a file differs")
    arguments = parser.parse_args()
    wrong = []
    for path in sorted(ENVIRONMENTS.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        if arguments.check:
            wrong += [f"{path}: {line}" for line in difference(text)]
        else:
            path.write_text(locked(text), encoding="utf-8")
    if wrong:
        sys.exit("\n".join([*wrong, "run: make environments"]))


if __name__ == "__main__":
    main()
