"""What a workflow's targets rest on, asked of its rules before there are jobs."""

from collections.abc import Collection


def producer(workflow, file):
    """(rule, wildcards) that make a file, or None for one that no rule makes."""
    from snakemake.iocontainers import Wildcards

    for found in workflow.rules:
        if found.is_producer(file):
            return found, Wildcards(fromdict=found.get_wildcards(file))
    return None


def upstream(workflow, target: str, without: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """(made, given): files that the rule `target` needs, directly or not, and those that no rule makes.

    Directories are not among them, and nothing that only files `without` need.
    """
    from snakemake.iocontainers import Wildcards

    todo = list(workflow.get_rule(target).expand_input(Wildcards())[0])
    made, given, seen = set(), set(), set(without)
    while todo:
        file = str(todo.pop())
        if file in seen:
            continue
        seen.add(file)
        found = producer(workflow, file)
        if found is None:
            given.add(file)
            continue
        maker, wildcards = found
        made |= {str(output) for output in maker.expand_output(wildcards)[0] if not output.is_directory}
        todo += maker.expand_input(wildcards)[0]
    return sorted(made), sorted(given)


def digests(workflow, parameter: str) -> dict[str, str]:
    """{rule: digest} of a parameter that is a plain text, such as `code`, for every rule that has it."""
    found = {each.name: each.params.get(parameter) for each in workflow.rules}
    return {name: value for name, value in found.items() if isinstance(value, str)}
