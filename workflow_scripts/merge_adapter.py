"""Merges a LoRA adapter into the model that it was trained on: a whole model, in that model's own dtype.

    python -m workflow_scripts.merge_adapter --model results/base/model.json \\
        --weights adapter_model.safetensors --adapter-config adapter_config.json \\
        --merged results/models/sft-merged --manifest results/models/sft-merged.json
"""

import argparse
from pathlib import Path

from workflow_scripts.core import runtime
from workflow_scripts.core.json_files import read_json


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line: paths of the inputs and of the directory to make."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="base/model.json or a model directory")
    parser.add_argument("--weights", required=True, help="the adapter's weights")
    parser.add_argument("--adapter-config", required=True, help="the adapter's config")
    parser.add_argument("--merged", required=True, help="model directory to make")
    parser.add_argument("--manifest", required=True, help="JSON to write: SHA-256 of each of its files")
    return parser.parse_args(argv)


def job_name(merged: str) -> str:
    """The rule and which of its jobs this is."""
    arm = Path(merged).name.removesuffix("-merged")
    stage, _, variant = arm.partition("-")
    return f"merge_dpo {variant}" if stage == "dpo" else f"merge_{arm.replace('-', '_')}"


def main(argv=None) -> None:
    """Merge, and write safetensors, tokenizer, configs and where the model comes from."""
    arguments = parse_arguments(argv)
    with runtime.job(job_name(arguments.merged)):
        from workflow_scripts.core import hashing, models, progress, provenance, training_adapters
        from workflow_scripts.core.outputs import guarded, write_json

        with guarded(arguments.merged, arguments.manifest) as (merged, manifest):
            record = read_json(arguments.adapter_config)
            reference = models.resolve_model(arguments.model)
            # The CPU, as no arithmetic but one addition per weight is to be done.
            model = models.load_model(reference, dtype="auto", device="cpu")
            model = training_adapters.merge(model, record, arguments.weights, arguments.weights)
            merged.mkdir()
            model.save_pretrained(merged)
            training_adapters.copy_tokenizer(models.local_directory(reference), merged)
            lineage = {
                "merged_into": provenance.model_identity(arguments.model),
                "adapter_sha256": hashing.sha256_file(arguments.weights),
            }
            write_json(merged / training_adapters.LINEAGE, lineage)
            written = progress.of_files(merged.iterdir(), f"digests of {Path(arguments.merged).name}")
            write_json(manifest, {"files": hashing.sha256_tree(merged, written.advance)})


if __name__ == "__main__":
    main()
