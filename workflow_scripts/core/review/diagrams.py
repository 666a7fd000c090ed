"""The page's graphs as DOT: stages, rules grouped by stage, and the files of one stage; the rules as Mermaid.

Their size goes with the rules, not with the jobs: what differs in wildcards alone is one node with a count.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import networkx

from workflow_scripts.core.review.drawing import attributes, cluster, digraph, quoted
from workflow_scripts.core.review.graph import Graph, Job, grouped

RUN, SAME = "run", "same"
CONSTRAINT = re.compile(r"\{(\w+),(?:[^{}]|\{[^{}]*\})*\}")
MOST_ALIKE = 4  # outputs of one rule in one folder that are drawn each for itself
LONGEST_LABEL = 56  # characters
MOST_NAMED = 3  # files of another rule that are named in its node
MOST_OUTSIDE = 8  # other rules that are drawn each for itself; more are drawn as their stages


def state(jobs: Sequence[Job]) -> str:
    """The class of a node: `run` when any of its jobs would run."""
    return RUN if any(job.needs_run for job in jobs) else SAME


def count_line(jobs: Sequence[Job]) -> str:
    """How many of some jobs would run, in words and with a sign, so that nothing is told by colour alone."""
    run = sum(job.needs_run for job in jobs)
    if run == 0:
        return "✓ up to date" if len(jobs) == 1 else f"✓ {len(jobs)} up to date"
    if run < len(jobs):
        return f"▶ {run} of {len(jobs)} run"
    return "▶ runs" if run == 1 else f"▶ all {run} run"


def rule_edges(graph: Graph) -> list[tuple[str, str]]:
    """Which rule feeds which, sorted, but for what follows from others: the edges of Snakemake's graph of
    jobs that no longer way replaces. (Rules may feed each other in turn: their own graph cannot be reduced.)
    """
    rule = {job.number: job.rule for job in graph.jobs}
    edges = [(parent, job.number) for job in graph.jobs for parent in job.parents]
    kept = networkx.transitive_reduction(networkx.DiGraph(edges)).edges
    return sorted(
        {(rule[first], rule[second]) for first, second in kept} - {(name, name) for name in graph.rules}
    )


def stage_edges(graph: Graph) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Which stage feeds which later one, but for what follows from others; and which hands back to an earlier
    one (the evaluation begins with the base). A stage stands where its first job does."""
    stage = {rule: jobs[0].stage for rule, jobs in graph.rules.items()}
    order = {name: place for place, name in enumerate(graph.stages)}
    pairs = {(stage[first], stage[second]) for first, second in rule_edges(graph)}
    forward = [pair for pair in pairs if order[pair[0]] < order[pair[1]]]
    back = [pair for pair in pairs if order[pair[0]] > order[pair[1]]]
    return sorted(networkx.transitive_reduction(networkx.DiGraph(forward)).edges), sorted(back)


def _node(name: str, label: str, kind: str, target: str | None = None, **others) -> str:
    url = target and f"#{target}"
    return f"{quoted(name)} {attributes(label=label, class_=kind, URL=url, **others)};"


def _edges(edges: Iterable[tuple[str, str]], **others) -> list[str]:
    suffix = f" {attributes(**others)}" if others else ""
    return [f"{quoted(first)} -> {quoted(second)}{suffix};" for first, second in edges]


def words(name: str) -> str:
    """A stage's or a rule's name as it is read."""
    return name.replace("_", " ")


def stages_dot(graph: Graph) -> str:
    """One node per stage."""
    nodes = [
        _node(stage, f"{words(stage)}\n{count_line(jobs)}", state(jobs), f"stage-{stage}")
        for stage, jobs in graph.stages.items()
    ]
    forward, back = stage_edges(graph)
    edges = [*_edges(forward), *_edges(back, class_="back", constraint="false")]
    return digraph([*nodes, *edges], ranksep=0.25, nodesep=0.3)


def rules_dot(graph: Graph) -> str:
    """One node per rule in a box per stage; edges that follow from others are left out."""
    lines = []
    for stage, jobs in graph.stages.items():
        rules = grouped(jobs, lambda job: job.rule)
        nodes = [
            _node(rule, f"{rule}\n{count_line(of_rule)}", state(of_rule), f"rule-{rule}")
            for rule, of_rule in rules.items()
        ]
        lines += cluster(stage, words(stage), nodes)
    return digraph([*lines, *_edges(rule_edges(graph))], ranksep=0.35, nodesep=0.2)


def mermaid(graph: Graph) -> str:
    """The graph of rules as Mermaid text, for a pull request; what would run has bold frames."""
    lines = ["flowchart TB"]
    for stage, jobs in graph.stages.items():
        lines.append(f'  subgraph stage_{stage} ["{words(stage)}"]')
        for rule, of_rule in grouped(jobs, lambda job: job.rule).items():
            lines.append(f'    {rule}["{rule}<br/>{count_line(of_rule)}"]:::{state(of_rule)}')
        lines.append("  end")
    lines += [f"  {first} --> {second}" for first, second in rule_edges(graph)]
    lines.append("  classDef run stroke-width:3px")
    lines.append("  classDef same stroke-dasharray:4 3")
    return "\n".join(lines) + "\n"


def _folded(rule: str, files: Iterable[tuple[str, str]], results: str) -> dict[str, list[str]]:
    """{label: files} of one rule's files with their patterns: one label per pattern, and one for patterns of
    a folder when there are many."""
    patterns = grouped(files, lambda pair: pair[1])
    folders = grouped(
        patterns, lambda pattern: (str(PurePosixPath(pattern).parent), PurePosixPath(pattern).suffix)
    )
    found: dict[str, list[str]] = {}
    for (folder, suffix), alike in folders.items():
        if len(alike) > MOST_ALIKE:
            found[_short(f"{folder}/*{suffix}", results)] = [
                pair[0] for name in alike for pair in patterns[name]
            ]
        else:
            found |= {_short(name, results): [pair[0] for pair in patterns[name]] for name in alike}
    return found


def _short(path: str, results: str) -> str:
    """A path below the results as it is written in the documentation; wildcards without their constraints."""
    return CONSTRAINT.sub(r"{\1}", path.removeprefix(f"{results}/"))


def _counted(label: str, files: Sequence[str]) -> str:
    """What a box of files says. Of a long path the end: the longer a text, the more the width reserved for it
    and that in the browser's letters differ."""
    shown = label if len(label) <= LONGEST_LABEL else f"\N{HORIZONTAL ELLIPSIS}{label[1 - LONGEST_LABEL :]}"
    return shown if len(files) == 1 else f"{shown}\n{len(files)} files"


def stage_files_dot(graph: Graph, stage: str) -> str:
    """The rules of one stage, the files that they make, and those they use by the rule that makes them."""
    jobs = graph.stages[stage]
    lines, holder, used = [], {}, {}
    for rule, of_rule in grouped(jobs, lambda job: job.rule).items():
        lines.append(_node(rule, f"{rule}\n{count_line(of_rule)}", state(of_rule), f"rule-{rule}"))
        pairs = [pair for job in of_rule for pair in zip(job.outputs, job.patterns, strict=True)]
        for label, files in _folded(rule, pairs, graph.results).items():
            name = f"{rule}: {label}"
            made = [graph.maker[file] for file in files]
            lines.append(
                _node(name, _counted(label, files), f"file {state(made)}", shape="note", style="filled")
            )
            holder |= dict.fromkeys(files, name)
            used[rule, name] = None
    inputs = dict.fromkeys(file for job in jobs for file in job.inputs)
    outside = {file: graph.maker[file] for file in inputs if file in graph.maker and file not in holder}
    by_stage = len({job.rule for job in outside.values()}) > MOST_OUTSIDE
    source = {file: job.stage if by_stage else job.rule for file, job in outside.items()}
    for job in jobs:
        for file in job.inputs:
            if file in holder:
                used[holder[file], job.rule] = None
            elif file in outside:
                used[f"from {source[file]}", job.rule] = None
    for name, files in grouped(outside, source.get).items():
        made = [outside[file] for file in files]
        label = _stage_label(made) if by_stage else _rule_label(made[0], sorted(files), graph.results)
        target = f"stage-{name}" if by_stage else f"rule-{name}"
        lines.append(_node(f"from {name}", label, f"outside {state(made)}", target, shape="plain"))
    return digraph([*lines, *_edges(used)], ranksep=0.3, nodesep=0.15)


def _stage_label(made: Sequence[Job]) -> str:
    """Another stage, with a count of the files that are used of it."""
    return f"{words(made[0].stage)}\n{len(made)} {'file' if len(made) == 1 else 'files'}"


def _rule_label(job: Job, files: Sequence[str], results: str) -> str:
    """Another stage's rule, with some of its files by name."""
    named = [_short(file, results) for file in files[:MOST_NAMED]]
    more = [f"and {len(files) - MOST_NAMED} more"] if len(files) > MOST_NAMED else []
    return "\n".join([f"{words(job.stage)}: {job.rule}", *named, *more])
