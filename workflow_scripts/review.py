"""Makes the review page of a run before it is started: what would run, why, at what cost, behind which gates.

    python -m workflow_scripts.review --pages reports/review --templates reports/templates -- \\
        snakemake --profile profiles/local --configfile tests/configs/tiny.yaml

What stands behind the two hyphens is the command under review. It is not run: Snakemake builds its graph of
jobs and nothing else. Besides index.html it makes dag.svg, rulegraph.svg and filegraph.svg (Snakemake's own
graphs), rulegraph.mmd (Mermaid, for a pull request) and jobs.json.
"""

import argparse
import shlex
from pathlib import Path

from workflow_scripts.core.outputs import write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", required=True, type=Path, help="directory to write")
    parser.add_argument(
        "--templates", type=Path, default=Path("reports/templates"), help="the page's templates"
    )
    parser.add_argument("command", nargs="+", help="the Snakemake command to review, after --")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Reads the graph of jobs and writes the page and the files beside it."""
    arguments = parse_arguments(argv)
    with job("review"):
        from workflow_scripts.core.outputs import guarded
        from workflow_scripts.core.review import costs, diagrams, history, page
        from workflow_scripts.core.review.drawing import reduced, render
        from workflow_scripts.core.review.gates_ahead import gates_ahead
        from workflow_scripts.core.review.profiles import without_missing_executor
        from workflow_scripts.core.review.reading import read_graph

        with without_missing_executor(arguments.command[1:]) as snakemake_arguments:
            graph = read_graph(snakemake_arguments)
        session = history.last_completed(Path(graph.results) / "sessions")
        gates = gates_ahead(graph)
        plan, plan_source = costs.read_plan(graph)
        names = page.content(
            graph,
            command=shlex.join(arguments.command),
            since=history.since(session, graph) if session else None,
            gates=gates,
            plan=plan,
            plan_source=plan_source,
        )
        with guarded(arguments.pages) as (folder,):
            folder.mkdir(parents=True)
            (folder / "index.html").write_text(page.render(arguments.templates, names), encoding="utf-8")
            plain = graph.drawings | {"dag": reduced(graph.drawings["dag"])}
            for name, dot in plain.items():
                (folder / f"{name}.svg").write_text(render(dot), encoding="utf-8")
            (folder / "rulegraph.mmd").write_text(diagrams.mermaid(graph), encoding="utf-8")
            write_json(folder / "jobs.json", page.job_list(graph, gates))
        say(f"{len(graph.to_run)} of {len(graph.jobs)} jobs would run: {arguments.pages / 'index.html'}")


if __name__ == "__main__":
    main()
