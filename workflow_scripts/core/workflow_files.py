"""What a workflow's targets rest on, asked of its rules before there are jobs."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePath


def producer(workflow, file):
    """(rule, wildcards) that make a file, or None for one that no rule makes."""
    from snakemake.iocontainers import Wildcards

    for found in workflow.rules:
        if found.is_producer(file):
            return found, Wildcards(fromdict=found.get_wildcards(file))
    return None


def _upstream(workflow, todo: Iterable, without: Collection[str]) -> Iterator[tuple]:
    """(file, the rule that makes it or None, its wildcards) of files and all that they rest on, each once."""
    todo, seen = list(todo), set(without)
    while todo:
        file = str(todo.pop())
        if file in seen:
            continue
        seen.add(file)
        maker, wildcards = producer(workflow, file) or (None, None)
        yield file, maker, wildcards
        if maker:
            todo += maker.expand_input(wildcards)[0]


def _inputs(workflow, rule: str) -> list[str]:
    """The input files of a rule without wildcards."""
    from snakemake.iocontainers import Wildcards

    return [str(file) for file in workflow.get_rule(rule).expand_input(Wildcards())[0]]


def upstream(workflow, target: str, without: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """(made, given): files that the rule `target` needs, directly or not, and those that no rule makes.

    Directories are not among them, and nothing that only files `without` need.
    """
    made, given = set(), set()
    for file, maker, wildcards in _upstream(workflow, _inputs(workflow, target), without):
        if maker is None:
            given.add(file)
        else:
            made |= {str(output) for output in maker.expand_output(wildcards)[0] if not output.is_directory}
    return sorted(made), sorted(given)


def makers(workflow, readers: Iterable[str]) -> dict[str, str]:
    """{file: rule that makes it} of what the rules `readers` read; what no rule makes is left out."""
    read = sorted({file for reader in readers for file in _inputs(workflow, reader)})
    found = {file: producer(workflow, file) for file in read}
    return {file: maker[0].name for file, maker in found.items() if maker}


def rules_behind(workflow, target: str) -> list[str]:
    """The names of the rule `target` and of all that make what it rests on, in the workflow's order."""
    files = _inputs(workflow, target)
    names = {target, *(maker.name for _, maker, _ in _upstream(workflow, files, ()) if maker)}
    return [rule.name for rule in workflow.rules if rule.name in names]


def digests(workflow, parameter: str) -> dict[str, str]:
    """{rule: digest} of a parameter that is one for all its jobs, such as `code`, where a rule has it."""
    found = {each.name: each.params.get(parameter) for each in workflow.rules}
    return {name: digest(None) for name, digest in found.items() if digest}


def modules(workflow) -> dict[str, str]:
    """{rule: its module} of every rule that has one as its input `script`."""
    return {each.name: str(each.input.script) for each in workflow.rules if hasattr(each.input, "script")}


def environments(workflow) -> dict[str, str]:
    """{rule: name of its environment's file} of every rule that has one."""
    return {each.name: PurePath(str(each.conda_env)).name for each in workflow.rules if each.conda_env}
