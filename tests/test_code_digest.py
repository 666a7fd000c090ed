"""The digest of a module sees everything it runs inside the project, and nothing else."""

import ast
from pathlib import Path

import pytest

from tests.conftest import copy_sources, run_snakemake
from workflow_scripts.core.code_digest import code_digest, environment_digest, imported_names, imports_of
from workflow_scripts.core.errors import InputError

FILES = {
    "workflow_scripts/__init__.py": "",
    "workflow_scripts/core/__init__.py": "",
    "workflow_scripts/train.py": "def main():\n    from workflow_scripts.core import prompts\n",
    "workflow_scripts/core/prompts.py": "import json\nfrom workflow_scripts.core.hashing import digest\n",
    "workflow_scripts/core/hashing.py": "import workflow_scripts.core.engines.base as base\ndigest = base\n",
    "workflow_scripts/core/engines/__init__.py": "import torch\n",
    "workflow_scripts/core/engines/base.py": "from workflow_scripts.core import prompts\n",
    "workflow_scripts/core/other.py": "",
}


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_followed_through_functions_packages_and_cycles(project):
    expected = sorted(set(FILES) - {"workflow_scripts/core/other.py"})
    assert imports_of("workflow_scripts/train.py", project) == expected


@pytest.mark.parametrize("name", FILES)
def test_the_digest_changes_with_what_is_run_alone(project, name):
    before = code_digest("workflow_scripts/train.py", project)
    (project / name).write_text(FILES[name] + "# more\n")
    changed = code_digest("workflow_scripts/train.py", project) != before
    assert changed == (name != "workflow_scripts/core/other.py")


def test_the_digest_is_that_of_the_content_not_of_the_place(project, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy")
    for name, text in FILES.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text)
    assert code_digest("workflow_scripts/train.py", project) == code_digest("workflow_scripts/train.py", copy)
    absolute = code_digest(project / "workflow_scripts/train.py", project)
    assert absolute == code_digest("workflow_scripts/train.py", project)


@pytest.mark.parametrize(
    "text",
    ["from . import prompts\n", "import importlib\nimportlib.import_module('a')\n", "__import__('a')\n"],
)
def test_imports_that_cannot_be_followed_are_refused(project, text):
    (project / "workflow_scripts/core/prompts.py").write_text(text)
    with pytest.raises(InputError, match="prompts.py: line"):
        imports_of("workflow_scripts/train.py", project)


def test_a_file_that_many_modules_import_is_parsed_once_until_it_changes(project, monkeypatch):
    """Every job on a cluster starts Snakemake twice more, and each start asks for all digests."""
    parsed, parse = [], ast.parse
    monkeypatch.setattr(
        ast, "parse", lambda text, filename: parsed.append(Path(filename).name) or parse(text, filename)
    )
    for name in ("train", "core/prompts", "core/hashing"):
        code_digest(f"workflow_scripts/{name}.py", project)
    assert parsed.count("prompts.py") == 1
    (project / "workflow_scripts/core/prompts.py").write_text("import json\n")
    assert imports_of("workflow_scripts/train.py", project) == [
        "workflow_scripts/__init__.py",
        "workflow_scripts/core/__init__.py",
        "workflow_scripts/core/prompts.py",
        "workflow_scripts/train.py",
    ]
    assert parsed.count("prompts.py") == 2


def test_a_start_of_snakemake_takes_the_digests_of_its_jobs_alone(tmp_path):
    """A job on a cluster is two more starts, each for that job."""
    module = copy_sources(tmp_path) / "workflow_scripts/train_dpo.py"
    module.write_text(module.read_text() + "\n\n__import__('nothing that a digest could follow')\n")
    other = run_snakemake(tmp_path, "--dry-run", "--", "results/base/model.json")
    assert other.returncode == 0 and "base_model" in other.stdout, other.stdout
    own = run_snakemake(tmp_path, "--dry-run", "--", "results/models/dpo/main/adapter_model.safetensors")
    assert own.returncode != 0 and "import it by an import statement" in own.stdout


def test_a_missing_module_is_refused(project):
    with pytest.raises(InputError, match="does not exist"):
        code_digest("workflow_scripts/absent.py", project)


def test_an_environment_s_comments_and_order_of_keys_do_not_count(tmp_path):
    (tmp_path / "a.yaml").write_text("name: a\ndependencies: [python]\n")
    (tmp_path / "b.yaml").write_text("# a comment\ndependencies:\n  - python\nname: a\n")
    (tmp_path / "c.yaml").write_text("name: a\ndependencies: [python, pip]\n")
    first, second, third = (environment_digest(name, tmp_path) for name in ("a.yaml", "b.yaml", "c.yaml"))
    assert first == second != third


@pytest.mark.parametrize("path", sorted(Path("workflow_scripts").rglob("*.py")), ids=str)
def test_every_import_of_the_project_can_be_followed(path):
    imported_names(path)


def command_line_modules():
    return sorted(path for path in Path("workflow_scripts").glob("*.py") if path.name != "__init__.py")


def test_core_imports_no_command_line_module_and_they_not_each_other():
    names = {f"workflow_scripts.{path.stem}" for path in command_line_modules()}
    for path in Path("workflow_scripts").rglob("*.py"):
        assert not names & imported_names(path), path
