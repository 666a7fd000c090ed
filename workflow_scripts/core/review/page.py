"""The review page and the plain files beside it: what the templates use, from the graph of jobs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from markupsafe import Markup

from workflow_scripts.core import report_page
from workflow_scripts.core.hashing import canonical_json
from workflow_scripts.core.review import costs, diagrams
from workflow_scripts.core.review.drawing import inline
from workflow_scripts.core.review.gates_ahead import GateAhead
from workflow_scripts.core.review.graph import KINDS, Change, Graph, Job, Reason, grouped
from workflow_scripts.core.review.history import Since, modules_of

# Not *.j2: those are inputs of the summary page, which a change of this page must not make again.
PAGE = "review/page.html.jinja"
DIGEST_LENGTH, SHOWN_DIGEST = 64, 12
SHOWN_FILES, SHOWN_CHANGES = 6, 12
SHOWN_VALUE = 160


@dataclass(frozen=True)
class Cause:
    """Something that changed, the jobs that it makes run at once, and those that follow from these."""

    kind: str
    subject: str
    change: Change | None
    direct: tuple[Job, ...]
    behind: tuple[Job, ...]


def shown(value: str | None, limit: int = SHOWN_VALUE) -> str:
    """A JSON value as it is read: a plain text without quotes, a digest cut short, a long one cut."""
    if value is None:
        return "–"
    parsed = json.loads(value) if value[:1] == '"' else value
    if isinstance(parsed, str) and len(parsed) == DIGEST_LENGTH and set(parsed) <= set("0123456789abcdef"):
        return f"{parsed[:SHOWN_DIGEST]}…"
    return parsed if len(parsed) <= limit else f"{parsed[:limit]}… ({len(parsed)} characters)"


def changed_modules(job: Job, since: Since | None) -> tuple[str, ...]:
    """Which files of a job's code differ from the last session's commit; its module where git cannot say."""
    files = since.files if since else None
    found = sorted({entry.path for entry in files or ()} & modules_of(job))
    return tuple(found) or ((job.script,) if job.script else ())


def _subjects(job: Job, reason: Reason, since: Since | None) -> list[tuple[str, Change | None]]:
    """What a reason is about, one entry for each thing that changed."""
    if reason.kind == "setting":
        return [(change.field, change) for change in map(_plain, reason.changes) if not _is_code(change)]
    if reason.kind == "code":
        return [(", ".join(changed_modules(job, since)), None)]
    if reason.kind in ("missing", "incomplete", "forced", "command"):
        return [("", None)]
    if reason.kind == "inputs":
        return [(_input_summary(reason), None)]
    if reason.changes:
        return [(change.field or ", ".join(reason.items), change) for change in reason.changes]
    return [(item, None) for item in reason.items]


def _input_summary(reason: Reason) -> str:
    """How many files were added or removed, and the first of each: `2 added (shard-002.parquet, …)`."""
    sides = {
        "added": [change.field for change in reason.changes if change.new],
        "removed": [change.field for change in reason.changes if change.old],
    }
    return ", ".join(
        f"{len(files)} {how} ({files[0]}{', …' if len(files) > 1 else ''})"
        for how, files in sides.items()
        if files
    )


def _plain(change: Change) -> Change:
    """A change of the whole configuration under the name that it has in the rules' own slices."""
    return Change(change.field.removeprefix("config."), change.old, change.new)


def _is_code(change: Change) -> bool:
    """Whether a setting is a digest of another rule's code, which that rule tells of itself."""
    return change.field.startswith("code.")


def causes(graph: Graph, since: Since | None) -> list[Cause]:
    """What the run starts from, by kind and then by how many jobs it moves."""
    found: dict[tuple, list[Job]] = {}
    for job in graph.to_run:
        for reason in job.own_reasons:
            for subject, change in _subjects(job, reason, since):
                found.setdefault((reason.kind, subject, change), []).append(job)
    entries = [
        Cause(kind, subject, change, tuple(jobs), graph.behind(jobs))
        for (kind, subject, change), jobs in found.items()
    ]
    order = list(KINDS)
    return sorted(entries, key=lambda cause: (order.index(cause.kind), -len(cause.direct), cause.subject))


def tally(jobs: Iterable[Job]) -> str:
    """Jobs by rule: `respond (3), score`."""
    parts = [(rule, len(group)) for rule, group in grouped(jobs, lambda job: job.rule).items()]
    return ", ".join(rule if count == 1 else f"{rule} ({count})" for rule, count in parts)


def makers(graph: Graph, files: Sequence[str]) -> str:
    """Which jobs make some files, by rule."""
    return tally(
        {graph.maker[file].number: graph.maker[file] for file in files if file in graph.maker}.values()
    )


def slices(jobs: Sequence[Job]) -> list[tuple[str, str]]:
    """A rule's slices of the configuration as YAML, each with the jobs that have it."""
    found = grouped(
        (job for job in jobs if "settings" in job.parameters), lambda job: job.parameters["settings"]
    )
    return [(", ".join(job.name for job in group), _as_yaml(text)) for text, group in found.items()]


def _as_yaml(text: str) -> str:
    return yaml.safe_dump(json.loads(text), sort_keys=True, allow_unicode=True, width=88)


def drawings(graph: Graph) -> dict[str, Markup]:
    """The page's graphs: stages, rules, and the files of each stage."""
    files = {
        f"files-{stage}": inline(diagrams.stage_files_dot(graph, stage), f"Files of {diagrams.words(stage)}")
        for stage in graph.stages
    }
    return {
        "stages": inline(diagrams.stages_dot(graph), "Graph of stages"),
        "rules": inline(diagrams.rules_dot(graph), "Graph of rules by stage"),
        **files,
    }


def content(
    graph: Graph,
    *,
    command: str,
    since: Since | None,
    gates: Sequence[GateAhead],
    plan: dict | None,
    plan_source: str,
) -> dict:
    """All names that the templates use."""
    by_rule = costs.rule_costs(graph, plan) if plan else {}
    ending = [gate for gate in gates if gate.ends_the_run]
    return {
        "behind_ending": {job.number for gate in ending for job in gate.waiting},
        "causes": causes(graph, since),
        "command": command,
        "costs": by_rule,
        "drawings": drawings(graph),
        "ending": ending,
        "gates": gates,
        "graph": graph,
        "kinds": KINDS,
        "overrides": graph.config.get("overrides", {}),
        "plan": plan,
        "plan_source": plan_source,
        "since": since,
        "total": costs.total(by_rule.values()),
        "whole": costs.whole(plan) if plan else None,
    }


def render(templates, names: Mapping) -> str:
    """The page as HTML text."""
    environment = report_page.environment(templates)
    environment.filters |= {"shown": shown, "tally": tally}
    environment.globals |= {
        "by_rule": lambda jobs: grouped(jobs, lambda job: job.rule),
        "changed_modules": changed_modules,
        "makers": makers,
        "shown_changes": SHOWN_CHANGES,
        "shown_files": SHOWN_FILES,
        "slices": slices,
        "state_line": diagrams.count_line,
    }
    script = (Path(templates) / report_page.SCRIPT).read_text(encoding="utf-8")
    return environment.get_template(PAGE).render(
        **names, script=Markup(script), policy=report_page.content_policy(script)
    )


def job_list(graph: Graph, gates: Sequence[GateAhead]) -> dict:
    """The jobs as data: what would run and why, what is left out, where a gate is known to end the run."""
    return {
        "run": [_entry(job) for job in graph.to_run],
        "left_out": [_entry(job) for job in graph.left_out],
        "up_to_date": [job.name for job in graph.jobs if not job.reasons and not job.needs_run],
        "ends_at": [gate.gate for gate in gates if gate.ends_the_run],
    }


def _entry(job: Job) -> dict:
    return {
        "rule": job.rule,
        "wildcards": dict(job.wildcards),
        "outputs": list(job.outputs),
        "reasons": [json.loads(canonical_json(asdict(reason))) for reason in job.reasons],
    }
