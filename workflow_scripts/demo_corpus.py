"""Writes the corpus of the embedded base: documents about the micro-world, one row each.

    python -m workflow_scripts.demo_corpus --settings '{"corpus": {...}, "seed": 11}' \\
        --tasks microworld.yaml --constitution constitution.yaml --corpus corpus.parquet
"""

import argparse
import json

from workflow_scripts.core import runtime
from workflow_scripts.core.progress import Progress

CHUNK = 2000


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line: paths of the inputs and of the output, and the settings as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="corpus, seed")
    parser.add_argument("--tasks", required=True, help="task families (YAML)")
    parser.add_argument("--constitution", required=True, help="principles (YAML)")
    parser.add_argument("--corpus", required=True, help="documents to write (Parquet)")
    parser.add_argument("--processes", type=int, default=2, help="how many write at once")
    return parser.parse_args(argv)


def _write_chunk(chunk: tuple) -> list[tuple[str, str]]:
    """Documents [first, last) of the corpus."""
    from workflow_scripts.core.demo_corpus import write_document
    from workflow_scripts.core.tasks import load_tasks

    settings, tasks_path, questions, first, last = chunk
    tasks = load_tasks(tasks_path)
    return [
        write_document(tasks, settings["corpus"], questions, settings["seed"], number)
        for number in range(first, last)
    ]


def main(argv=None) -> None:
    """Write all documents, in the order of their numbers."""
    arguments = parse_arguments(argv)
    with runtime.job("demo_corpus"):
        from concurrent.futures import ProcessPoolExecutor

        import pyarrow as arrow
        from pyarrow import parquet

        from workflow_scripts.core.constitution import load_constitution
        from workflow_scripts.core.outputs import guarded

        settings = arguments.settings
        total = settings["corpus"]["documents"]
        questions = [principle.question for principle in load_constitution(arguments.constitution)]
        chunks = [
            (settings, arguments.tasks, questions, first, min(first + CHUNK, total))
            for first in range(0, total, CHUNK)
        ]
        counter = Progress(total, "documents", "corpus")
        documents: list[tuple[str, str]] = []
        with (
            guarded(arguments.corpus) as (corpus,),
            ProcessPoolExecutor(arguments.processes) as pool,
        ):
            for written in pool.map(_write_chunk, chunks):
                documents += written
                counter.advance(len(written))
            kinds, texts = zip(*documents, strict=True)
            table = arrow.table({"kind": arrow.array(kinds), "text": arrow.array(texts)})
            parquet.write_table(table, corpus, compression="zstd")


if __name__ == "__main__":
    main()
