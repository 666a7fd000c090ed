"""No library calls home: an attempt is a failure, whether it would have reached anybody or not."""

import subprocess
import sys

import pytest

from tests import network_guard
from tests.network_guard import guarded
from workflow_scripts.core import runtime

pytestmark = network_guard.needs_guard
CONNECT = "import socket\ntry: socket.create_connection(({address!r}, {port}))\nexcept OSError: pass"
SEND = "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.7', 9999))"
ASK = "import socket\ntry: socket.getaddrinfo('example.org', 443)\nexcept OSError: pass"
AT_HOME = (
    "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
    "socket.create_connection(server.getsockname())\nprint('connected')"
)


def python(code: str) -> network_guard.Guarded:
    return guarded([sys.executable, "-c", code])


def stages(directory, *names, **environment) -> network_guard.Guarded:
    """Runs stages of tests/whole_stages.py behind the guard, without switches that the shell may have set."""
    unset = dict.fromkeys([*runtime.QUIET, "CI", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"], "")
    command = [sys.executable, "-m", "tests.whole_stages", str(directory), *names]
    return guarded(command, **{**unset, "OMP_NUM_THREADS": "1", **environment})


def test_the_guard_sees_every_kind_of_attempt_and_none_where_there_is_none():
    assert python(CONNECT.format(address="203.0.113.9", port=443)).attempts == ["tcp 203.0.113.9:443"]
    assert python(SEND).attempts == ["udp 198.51.100.7:9999"]
    asked = python(ASK).attempts
    assert asked and all(attempt.endswith(":53 asks for example.org") for attempt in asked)
    at_home = python(AT_HOME)
    assert (at_home.returncode, at_home.output.strip(), at_home.attempts) == (0, "connected", [])
    assert python("raise SystemExit(3)").returncode == 3


def test_a_generation_and_the_trainings_reach_for_nothing(tmp_path):
    done = stages(tmp_path, "generation", "sft", "dpo")
    assert done.returncode == 0, done.output[-4000:]
    assert done.attempts == []
    assert "\r" not in done.output  # no bar of any library either


@pytest.mark.integration
@pytest.mark.timeout(120)
def test_with_its_switch_turned_back_a_library_is_caught(tmp_path):
    done = stages(tmp_path, "sft", HF_HUB_DISABLE_TELEMETRY="0", DO_NOT_TRACK="0")
    assert done.returncode == 0, done.output[-4000:]
    assert any("huggingface.co" in attempt for attempt in done.attempts)


@pytest.mark.integration
@pytest.mark.timeout(120)
def test_snakemake_reaches_for_nothing():
    words = ["-m", "snakemake", "--profile", "profiles/local", "--dry-run", "--quiet", "all"]
    done = guarded([sys.executable, *words])
    assert done.returncode == 0, done.output[-4000:]
    assert done.attempts == []


def test_no_module_has_a_library_that_calls_home_before_it_is_told_not_to():
    """They read their switches when they are imported, and a job sets the switches when it begins."""
    listed = ["git", "ls-files", "workflow_scripts/*.py"]
    files = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    modules = [file.removesuffix(".py").replace("/", ".") for file in files if file.count("/") == 1]
    modules = [module for module in modules if not module.endswith("__init__")]
    assert len(modules) > 30
    code = (
        "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
        "calling = {'huggingface_hub', 'transformers', 'datasets', 'trl', 'vllm', 'wandb'}\n"
        "print(sorted(calling & set(sys.modules)))"
    )
    done = guarded([sys.executable, "-c", code, *modules])
    assert done.returncode == 0, done.output[-4000:]
    assert done.output.strip().splitlines()[-1] == "[]" and done.attempts == []
