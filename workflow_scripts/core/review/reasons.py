"""Why Snakemake would run a job, as data: from its own reasons and from its records of what made the outputs.

Snakemake looks no further at a job once it follows from another one, so its own reasons for that job may be
only half the story; they are asked for here. Where all that a job uses of the others is `ancient`, it even
leaves the job out although its settings, code or files changed; such a job has reasons and does not run.
"""

import ast
import json
from collections.abc import Iterator

from workflow_scripts.core.review.changes import changes
from workflow_scripts.core.review.graph import Change, Reason


def reasons(workflow, job) -> tuple[Reason, ...]:
    """Why a job would run, its own reasons first."""
    return (*_states(workflow, job), *own_reasons(workflow, job), *_upstream(workflow, job))


def own_reasons(workflow, job) -> tuple[Reason, ...]:
    """What changed about the job itself since its outputs were made."""
    if not workflow.persistence.has_metadata(job):
        return ()
    return tuple(_changed(workflow, job))


def _states(workflow, job) -> Iterator[Reason]:
    reason = workflow.dag.reason(job)
    if reason.forced:
        cut_off = [str(file) for file in job.output if file in workflow.dag.forcefiles]
        yield Reason("incomplete", tuple(cut_off)) if cut_off else Reason("forced")
    if reason.missing_output:
        yield Reason("missing", tuple(sorted(map(str, reason.missing_output))))


def _upstream(workflow, job) -> Iterator[Reason]:
    files = workflow.dag.reason(job).updated_input_run
    if files:
        yield Reason("upstream", tuple(sorted(map(str, files))))


def _changed(workflow, job) -> Iterator[Reason]:
    persistence = workflow.persistence
    updated = sorted({*map(str, workflow.dag.reason(job).updated_input), *_updated_sources(workflow, job)})
    if updated:
        yield Reason("input", tuple(updated))
    if any(persistence.input_changed(job)):
        yield Reason("inputs", changes=tuple(_input_changes(persistence, job)))
    difference = persistence.params_changed(job)
    if difference:
        yield from _parameter_reasons(job, set(difference.only_old), set(difference.only_new))
    if any(persistence.code_changed(job)):
        yield Reason("command")


def _updated_sources(workflow, job) -> Iterator[str]:
    """Inputs that no job makes, newer than the outputs and with another content than was recorded."""
    made = {file for files in workflow.dag.dependencies[job].values() for file in files}
    limit = workflow.dag.max_checksum_file_size
    oldest = workflow.async_run(_resolved(job.output_mintime))
    for file in job.input if oldest is not None else ():
        if file in made or not workflow.async_run(_is_newer(file, oldest)):
            continue
        recorded = workflow.persistence.input_checksums(job, file)
        if len(recorded) != 1 or not workflow.async_run(file.is_same_checksum(recorded.pop(), limit)):
            yield str(file)


async def _resolved(awaitable):
    return await awaitable


async def _is_newer(file, time) -> bool:
    return await file.exists() and await file.is_newer(time)


def _input_changes(persistence, job) -> Iterator[Change]:
    now = set(map(str, job.input))
    before = {file for output in job.output for file in persistence.input(output) or ()}
    yield from (Change(file, None, "added") for file in sorted(now - before))
    yield from (Change(file, "used", None) for file in sorted(before - now))


def _parameter_reasons(job, old: set[str], new: set[str]) -> Iterator[Reason]:
    """One reason per parameter whose recorded value is another; values are Python literals.

    Snakemake records values without names: an old value belongs to the new one that it is most like.
    """
    for name, value in job.params.items():
        if repr(value) not in new:
            continue
        if name == "code":
            yield Reason("code", (str(job.input.get("script", "")),))
        elif name == "environment":
            yield Reason("environment", (_environment(job),))
        else:
            before = _counterpart(value, old)
            old.discard(repr(before))
            found = _as_json(before), _as_json(value)
            if all(isinstance(part, dict) for part in found):
                yield Reason("setting", changes=tuple(changes(*found)))
            else:
                yield Reason("parameter", (name,), tuple(changes({name: before}, {name: value})))
    removed = [] if new else sorted(old)
    if removed:
        yield Reason("parameter", changes=tuple(Change("", value, None) for value in removed))


def _environment(job) -> str:
    name = str(job.rule.conda_env or "")
    return name[name.find("envs/") :] if "envs/" in name else name


def _as_json(value):
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _counterpart(value, old: set[str]):
    """The recorded value that a parameter most likely had, or None: the object with most keys in common,
    or else the only other value of its type."""
    candidates = [ast.literal_eval(text) for text in sorted(old)]
    wanted = _as_json(value)
    if isinstance(wanted, dict):
        objects = [found for found in candidates if isinstance(_as_json(found), dict)]
        return max(objects, key=lambda found: len(_as_json(found).keys() & wanted.keys()), default=None)
    alike = [
        found
        for found in candidates
        if isinstance(found, type(value)) and not _is_digest(found) and not isinstance(_as_json(found), dict)
    ]
    return alike[0] if len(alike) == 1 else None


def _is_digest(value) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
