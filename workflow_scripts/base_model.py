"""Resolves the base model, checks that it is one, and records what it is, byte for byte.

python -m workflow_scripts.base_model --settings '{"base_model": {"path": "resources/demo_base", "repo": null,
    "revision": null}}' --identity results/base/model.json
"""

import argparse
import json

from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"base_model": {path or repo and revision}}')
    parser.add_argument("--identity", required=True, help="identity of the model to write")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Write the identity file; refuse an adapter, an instruction-tuned model and pickled weights."""
    arguments = parse_arguments(argv)
    with job("base_model"), guarded(arguments.identity) as (output,):
        from workflow_scripts.core.models import identify_base

        identity = identify_base(json.loads(arguments.settings)["base_model"])
        size = f"{identity['parameters']:,} parameters"
        say(f"base model {identity['label']}: {identity['architecture']}, {size}")
        write_json(output, identity)


if __name__ == "__main__":
    main()
