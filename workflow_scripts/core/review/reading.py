"""Reads what Snakemake would do for a command line: its jobs with the reasons of each. Nothing is run.

Snakemake's own command line does the parsing (profiles, configuration files, storage) and its own graph
decides; only the step that would execute is replaced by one that reads. Snakemake has no public way to ask
for reasons as data: this module and `reasons` know its inner names, and tests hold them to real runs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from snakemake import api, cli

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.review.graph import Graph, Job
from workflow_scripts.core.review.reasons import own_reasons, reasons

FINAL = "all"


@contextmanager
def _instead_of_running(read) -> Iterator[None]:
    """Lets Snakemake call `read(dag_api, **settings)` where it would execute the workflow."""
    execute = api.DAGApi.execute_workflow
    api.DAGApi.execute_workflow = read
    try:
        yield
    finally:
        api.DAGApi.execute_workflow = execute


def read_graph(arguments: Sequence[str]) -> Graph:
    """The graph for Snakemake's arguments (without its name), in the current directory.

    Snakemake itself prints what is wrong with a workflow, a configuration or a profile; InputError then.
    """
    found = []

    def read(dag_api, **settings):
        dag_api.workflow_api.resource_settings.cores = dag_api.workflow_api.resource_settings.cores or 1
        workflow = dag_api.workflow_api._workflow
        workflow._prepare_dag(
            forceall=workflow.dag_settings.forceall,
            ignore_incomplete=settings["execution_settings"].ignore_incomplete,
            lock_warn_only=True,
        )
        workflow._build_dag()
        found.append(_graph(workflow))

    with _instead_of_running(read):
        parser, parsed = cli.parse_args(["--dry-run", *arguments])
        cli.args_to_api(parsed, parser)
    if not found:
        raise InputError(remedy="Snakemake cannot plan this run: mend what it says above")
    return found[0]


def _graph(workflow) -> Graph:
    dag = workflow.dag
    ordered = [job for level in dag.toposorted() for job in sorted(level, key=lambda job: _key(job))]
    numbers = {job: number for number, job in enumerate(ordered)}
    jobs = [_job(workflow, job, numbers) for job in ordered if job.rule.name != FINAL]
    return Graph(
        jobs=tuple(jobs),
        config=workflow.config,
        results=workflow.pathvars.apply("<results>"),
        drawings=_drawings(workflow),
        is_locked=workflow.persistence.locked,
    )


def _key(job) -> tuple:
    return job.rule.lineno, job.rule.name, sorted(job.wildcards_dict.items())


def _drawings(workflow) -> dict[str, str]:
    """Snakemake's graphs of jobs, rules and files as DOT: what --dag, --rulegraph and --filegraph print."""
    workflow.dag_settings.print_dag_as = "dot"
    dag = workflow.dag
    return {"dag": str(dag), "rulegraph": dag.rule_dot(), "filegraph": dag.filegraph_dot()}


def _job(workflow, job, numbers: dict) -> Job:
    dag, persistence = workflow.dag, workflow.persistence
    needs_run = dag.needrun(job)
    return Job(
        number=numbers[job],
        rule=job.rule.name,
        stage=Path(job.rule.snakefile).stem,
        wildcards=dict(job.wildcards_dict),
        inputs=tuple(map(str, job.input)),
        outputs=tuple(map(str, job.output)),
        patterns=tuple(map(str, job.rule.output)),
        parameters=dict(_parameters(job)),
        script=str(job.input.script) if "script" in job.input.keys() else None,
        needs_run=needs_run,
        recorded=bool(persistence.has_metadata(job)),
        reasons=reasons(workflow, job) if needs_run else own_reasons(workflow, job),
        parents=frozenset(numbers[parent] for parent in dag.dependencies[job]),
        command=job.shellcmd and str(job.shellcmd),
    )


def _parameters(job) -> Iterator[tuple[str, str]]:
    """Parameters by name but for those that derive from files and wildcards."""
    own = {repr(value) for value in job.non_derived_params}
    return ((name, str(value)) for name, value in job.params.items() if repr(value) in own)
