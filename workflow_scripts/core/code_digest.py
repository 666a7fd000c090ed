"""Digests of a module's code and of an environment file, for the params of the rules that use them.

Snakemake's own code trigger does not see imported helpers, and goes by modification times, so that a fresh
clone would look changed. A digest is a function of content alone.
"""

import ast
from functools import cache
from pathlib import Path

import yaml

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json, sha256_file, sha256_text

PACKAGE = "workflow_scripts"
PROJECT_ROOT = Path(__file__).resolve().parents[2]


def _module_file(root: Path, dotted: str) -> Path | None:
    """The file of a project module or package; None when there is no such module."""
    base = root.joinpath(*dotted.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _with_parents(dotted: str) -> list[str]:
    """A module and the packages that Python runs before it: a.b.c -> a, a.b, a.b.c."""
    words = dotted.split(".")
    return [".".join(words[: count + 1]) for count in range(len(words))]


def imported_names(path) -> frozenset[str]:
    """Dotted names that a Python file imports anywhere; `from a import b` gives a and a.b.

    InputError for a relative import or a dynamic one, which a digest could not follow.
    """
    return _names_in(path, Path(path).read_text(encoding="utf-8"))


@cache  # most files are imported by most modules, and every start of Snakemake asks for all digests
def _names_in(path, text: str) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(text, filename=str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise InputError(file=path, field=f"line {node.lineno}", remedy="use an absolute import")
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        called = node.func if isinstance(node, ast.Call) else None
        if getattr(called, "id", getattr(called, "attr", None)) in ("__import__", "import_module"):
            raise InputError(
                file=path, field=f"line {node.lineno}", remedy="import it by an import statement"
            )
    return frozenset(names)


def imports_of(path, root=PROJECT_ROOT) -> list[str]:
    """The project files that a module runs: itself and its transitive imports, relative to root, sorted."""
    root = Path(root).resolve()
    found, waiting = set(), [(root / path).resolve()]
    while waiting:
        file = waiting.pop()
        relative = file.relative_to(root).as_posix()
        if relative in found:
            continue
        if not file.is_file():
            raise InputError(file=relative, remedy="this module does not exist")
        found.add(relative)
        own_name = relative.removesuffix(".py").replace("/", ".")
        names = [own_name, *imported_names(file)]
        dotted = {name for full in names if full.split(".")[0] == PACKAGE for name in _with_parents(full)}
        waiting += [path for path in (_module_file(root, name) for name in sorted(dotted)) if path]
    return sorted(found)


def code_digest(path, root=PROJECT_ROOT) -> str:
    """SHA-256 over a module and its transitive imports inside the project: canonical JSON of {file: SHA-256}.

    `path` (a module's `__file__` will do) lies below `root`, the directory that holds `workflow_scripts/`.
    """
    return sha256_text(
        canonical_json({file: sha256_file(Path(root) / file) for file in imports_of(path, root)})
    )


def environment_digest(path, root=PROJECT_ROOT) -> str:
    """SHA-256 of a conda environment file as parsed: a comment or the order of keys changes nothing."""
    parsed = yaml.safe_load((Path(root) / path).read_text(encoding="utf-8"))
    return sha256_text(canonical_json(parsed))
