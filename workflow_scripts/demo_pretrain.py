"""Pretrains the embedded base on its corpus: a Hugging Face model directory and the record of the training.

    python -m workflow_scripts.demo_pretrain \\
        --settings '{"corpus": {...}, "model": {...}, "pretraining": {...}, "seed": 11}' \\
        --corpus corpus.parquet --tokenizer DIRECTORY --model DIRECTORY --training training.json

The settings of the corpus are only recorded. With --checkpoints DIRECTORY it also leaves a model there every
`checkpoint_steps` steps, to look at on the way.
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core import runtime
from workflow_scripts.core.progress import Progress

WORDS = ("Question", "Answer", "Verdict")


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line: paths of the inputs and outputs, and the settings as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, type=json.loads, help="corpus, model, pretraining, seed")
    parser.add_argument("--corpus", required=True, help="documents (Parquet)")
    parser.add_argument("--tokenizer", required=True, help="tokenizer directory")
    parser.add_argument("--model", required=True, help="model directory to make")
    parser.add_argument("--training", required=True, help="record of the training to write (JSON)")
    parser.add_argument("--checkpoints", help="directory for models on the way")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Pack the corpus, train, save."""
    arguments = parse_arguments(argv)
    with runtime.job("demo_pretrain"):
        import numpy as np
        import torch
        from pyarrow import parquet
        from transformers import AutoTokenizer

        from workflow_scripts.core import demo_pretraining
        from workflow_scripts.core.demo_tokenizer import END_OF_TEXT
        from workflow_scripts.core.outputs import guarded, write_json

        settings = arguments.settings["pretraining"]
        tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
        end, *words = tokenizer.convert_tokens_to_ids([END_OF_TEXT, *WORDS])
        texts = parquet.read_table(arguments.corpus, columns=["text"])["text"].to_pylist()
        documents = tokenizer(texts, add_special_tokens=False)["input_ids"]
        packed = list(demo_pretraining.pack_rows(documents, end, settings["row_length"]))
        wanted = settings["tokens"] // settings["row_length"]
        rows = torch.from_numpy(np.stack(packed[:wanted])).long()
        runtime.say(f"{len(texts)} documents, {len(packed)} rows, of which {len(rows)} are trained on")
        model = demo_pretraining.build_model(
            arguments.settings["model"], len(tokenizer), end, arguments.settings["seed"]
        )
        counter = Progress(rows.numel(), "tokens", "pretraining")
        per_step = settings["batch_rows"] * settings["row_length"]

        def on_step(step: int, loss: float) -> None:
            counter.advance(per_step)
            if step % 100 == 0:
                runtime.say(f"step {step}, loss {loss:.3f}")
            if arguments.checkpoints and step % settings["checkpoint_steps"] == 0:
                directory = Path(arguments.checkpoints) / f"step-{step}"
                model.save_pretrained(directory)
                tokenizer.save_pretrained(directory)

        words = dict(zip(WORDS, words, strict=True))
        with guarded(arguments.model, arguments.training) as (directory, training):
            record = demo_pretraining.pretrain(model, rows, words, settings, on_step)
            model.save_pretrained(directory)
            tokenizer.save_pretrained(directory)
            record |= {
                "parameters": model.num_parameters(),
                "vocabulary": len(tokenizer),
                "corpus_documents": len(texts),
                "settings": arguments.settings,
            }
            write_json(training, record)


if __name__ == "__main__":
    main()
