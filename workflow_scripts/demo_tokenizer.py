"""Trains the embedded base's tokenizer on the first documents of its corpus.

    python -m workflow_scripts.demo_tokenizer --settings '{"tokenizer": {...}, "model": {...}}' \\
        --corpus corpus.parquet --tokenizer DIRECTORY

Weights belong to one tokenizer: another of the same size ruins them without a word.
"""

import argparse
import json

from workflow_scripts.core import runtime


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line: path of the corpus, directory to make, and the settings as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="tokenizer, model")
    parser.add_argument("--corpus", required=True, help="documents (Parquet)")
    parser.add_argument("--tokenizer", required=True, help="directory to make")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Train and save."""
    arguments = parse_arguments(argv)
    with runtime.job("demo_tokenizer"):
        from pyarrow import parquet

        from workflow_scripts.core.demo_tokenizer import train_tokenizer
        from workflow_scripts.core.outputs import guarded

        settings = arguments.settings["tokenizer"]
        texts = parquet.read_table(arguments.corpus, columns=["text"])["text"]
        texts = texts.slice(0, settings["documents"]).to_pylist()
        longest = arguments.settings["model"]["max_position_embeddings"]
        with guarded(arguments.tokenizer) as (directory,):
            train_tokenizer(texts, settings["vocabulary"], longest).save_pretrained(directory)


if __name__ == "__main__":
    main()
