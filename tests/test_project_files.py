"""Pins, profiles and the list of dependencies say the same."""

import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import LONGEST

TRIGGERS = ["mtime", "params", "input", "code"]


def name_of(package):
    return re.sub(r"[-_.]+", "-", package).lower()


def pins(*files):
    """{package: version} of requirement files; every line must be an exact pin."""
    lines = [line for file in files for line in Path(file).read_text().splitlines()]
    entries = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name_of(package): version for package, version in entries}


DIRECT = pins("requirements.txt")
DEVELOPMENT = pins("requirements-dev.txt")
LOCKED = pins("constraints.txt")


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


def test_the_files_that_begin_first_are_there():
    assert [name for name in LONGEST if not Path("tests", name).is_file()] == []
