"""All checks of a run, over several processes, each with a place of its own to compute in."""

import contextlib
import dataclasses
import io
import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from workflow_scripts.core import runtime
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json
from workflow_scripts.core.manifests import NAME, Places
from workflow_scripts.core.usage import ACCOUNT
from workflow_scripts.core.verification import jobs, rederive, workplace
from workflow_scripts.core.verification.findings import Finding, Unchecked
from workflow_scripts.core.verification.jobs import Job

TOKENIZER_USERS = {"contamination_guard"}


@dataclasses.dataclass
class Outcome:
    """What all checks of the jobs came to: findings in the order of the run, and what each kind did."""

    findings: list[Finding] = dataclasses.field(default_factory=list)
    unchecked: list[Unchecked] = dataclasses.field(default_factory=list)
    rests_on_changed: list[str] = dataclasses.field(default_factory=list)
    recomputed: dict[str, int] = dataclasses.field(default_factory=dict)
    answers: int = 0
    taken: list[str] = dataclasses.field(default_factory=list)
    other_code: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Task:
    """One look at one job. `kind`: rederive, replay or evidence."""

    kind: str
    job: Job
    same_code: bool


_place: dict = {}


def _prepare(tokenizer: Path | None) -> None:
    """Loads what every worker needs, before they are forked."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # whatever is missing is said to be missing, never downloaded
    os.environ.pop(ACCOUNT, None)  # a check is no part of the run's costs
    runtime.quiet_libraries()
    from workflow_scripts.core import models
    from workflow_scripts.core.verification import evidence, replay  # noqa: F401

    _place["tokenizer"] = tokenizer and models.load_tokenizer(tokenizer)
    if tokenizer:
        # The weights beside it, which a hub repository would be asked for, are not needed.
        models.local_directory = lambda reference: tokenizer


def _enter(root: Path, sources: workplace.Sources, config: dict) -> None:
    """Makes a worker's place and goes there."""
    own = root / f"worker-{os.getpid()}"
    workplace.build(own, sources, config)
    os.chdir(own)
    _place["inner"] = sources.inner


def _quietly(check: Callable, *arguments) -> list[Finding]:
    with contextlib.redirect_stderr(io.StringIO()):
        return check(*arguments)


def run_task(task: Task) -> tuple[list[Finding], int]:
    """(findings, answers gone through) of one task, in a worker's place."""
    inner: Places = _place["inner"]
    job = task.job
    if task.kind == "rederive":
        return rederive.rederive(job, inner, task.same_code), 0
    from workflow_scripts.core.verification import evidence, replay

    path = _looked_at(task)
    name = inner.name_of(path)
    try:
        if task.kind == "replay":
            import pyarrow.parquet as pq

            engine = replay.RecordedEngine(_place["tokenizer"])
            found = _quietly(replay.REPLAYS[job.module], job, Path(path), name, engine)
            return found, pq.read_metadata(path).num_rows
        check = evidence.EVIDENCE[job.module][1]
        return _quietly(check, job, name, path, _place["tokenizer"]), 0
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        return [Finding(name, "content", "what can be gone through again", what, task.kind)], 0


def _looked_at(task: Task) -> str:
    """The output of a job that a task looks at."""
    from workflow_scripts.core.verification import evidence

    if task.kind == "replay":
        return task.job.outputs[0]
    end = evidence.EVIDENCE[task.job.module][0]
    return next(path for path in task.job.outputs if path.endswith(end))


def tasks_of(job: Job, same_code: bool) -> list[Task]:
    """What can be done about a job: computed again, gone through again, or held against its evidence."""
    from workflow_scripts.core.verification import evidence, replay

    if rederive.is_rederivable(job):
        return [Task("rederive", job, same_code)]
    kinds = [("replay", replay.REPLAYS), ("evidence", evidence.EVIDENCE)]
    return [Task(kind, job, same_code) for kind, known in kinds if job.module in known]


def _needs_tokenizer(task: Task) -> bool:
    from workflow_scripts.core.verification import evidence

    if task.kind == "evidence":
        return evidence.EVIDENCE[task.job.module][2]
    return task.kind == "replay" or task.job.module in TOKENIZER_USERS


def _plan(found: list[Job], manifest: dict, sources: workplace.Sources, tokenizer, changed: set[str]):
    """(tasks, outcome so far): what is to be done, and what cannot be or need not be."""
    outcome, tasks = Outcome(), []
    for job in found:
        same_code = job.code == manifest["code"].get(job.rule, job.code)
        if not same_code:
            outcome.other_code.append(job.rule)
        names = [sources.inner.name_of(path) for path in job.outputs]
        needed = {_name(path, sources.inner) for path in job.needed}
        if needed & changed:
            outcome.rests_on_changed += names
            continue
        lacking = sorted(
            needed & {name for name in sources.missing if not name.startswith("workflow_scripts/")}
        )
        planned = tasks_of(job, same_code)
        if lacking:
            why = f"{lacking[0]}: {sources.missing[lacking[0]]}; its bytes are not those that the run used"
            outcome.unchecked.append(Unchecked(", ".join(names[:3]), why))
            continue
        without = [task for task in planned if tokenizer is None and _needs_tokenizer(task)]
        for task in without:
            why = f"the tokenizer's files on record are not here ({task.kind} of {job.rule})"
            outcome.unchecked.append(Unchecked(", ".join(names[:3]), why))
        if not rederive.is_rederivable(job) and job.module not in rederive.NOT_AGAIN:
            outcome.taken += names
        tasks += [task for task in planned if task not in without]
    return tasks, outcome


def _name(path: str, inner: Places) -> str:
    """A path below the place as the manifest calls it."""
    try:
        return inner.name_of(path)
    except ValueError:
        return Path(path).as_posix()


def find_jobs(root: Path, sources: workplace.Sources, manifest: dict, tokenizer: Path | None) -> list[Job]:
    """The run's jobs, listed by the workflow in another process. InputError when it refuses the config."""
    place = root / "graph"
    workplace.build(place, sources, manifest["config"])
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        try:
            listing = pool.submit(jobs.list_jobs, place)
            _prepare(tokenizer)
            return [_with_recorded_digests(job, manifest) for job in listing.result()]
        except RuntimeError as error:
            remedy = (
                "this project's workflow does not fit the run's configuration: check out the commit that the"
                f" run's sessions name ({error})"
            )
            raise InputError(file=f"results/{NAME}", field="config", remedy=remedy) from None


def _with_recorded_digests(job: Job, manifest: dict) -> Job:
    """The job with the run's digests of code and environment where its settings state some, as the pages' do.

    Settings that come from the environment at run time (of the budget's gates) state none.
    """
    text = (job.options.get("settings") or ["{}"])[0]
    settings = {} if text.startswith("$") else json.loads(text)
    if not isinstance(settings.get("code"), dict):
        return job
    for part in ("code", "environment"):
        settings[part] |= {rule: found for rule, found in manifest[part].items() if rule in settings[part]}
    arguments = list(job.arguments)
    arguments[arguments.index("--settings") + 1] = canonical_json(settings)
    return dataclasses.replace(job, arguments=arguments, options=jobs.options_of(arguments))


def check_jobs(
    manifest: dict,
    sources: workplace.Sources,
    tokenizer: Path | None,
    changed: set[str],
    workers: int,
    progress,
) -> Outcome:
    """Looks at every job whose inputs are as on record. `progress(total)` gives a counter of jobs."""
    with tempfile.TemporaryDirectory(prefix="verify-") as temporary:
        root = Path(temporary)
        found = find_jobs(root, sources, manifest, tokenizer)
        tasks, outcome = _plan(found, manifest, sources, tokenizer, changed)
        counter = progress(len(tasks))
        arguments = (root, sources, manifest["config"])
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, context, initializer=_enter, initargs=arguments) as pool:
            for task, (findings, answers) in zip(tasks, pool.map(run_task, tasks), strict=True):
                outcome.findings += findings
                outcome.answers += answers
                if task.kind == "rederive":
                    outcome.recomputed[task.job.rule] = outcome.recomputed.get(task.job.rule, 0) + 1
                counter.advance()
    return outcome


def read_identity(places: Places) -> dict | None:
    """base/model.json, or None where it cannot be read."""
    try:
        return json.loads((Path(places.results) / "base/model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
