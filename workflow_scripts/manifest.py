"""Lists every file that a run made and every file that it was made from, with size and SHA-256.

python -m workflow_scripts.manifest
    --settings '{"config": {...}, "code": {rule: digest}, "environment": {...}}'
    --made results/base/model.json ... --given config/exemplars.yaml ... --reports reports
    --manifest results/manifest.json
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.core import manifests
from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", required=True, help='JSON: {"config", "code", "environment"}')
    parser.add_argument("--made", required=True, nargs="+", help="files that the run made")
    parser.add_argument("--given", required=True, nargs="+", help="files that it was made from")
    parser.add_argument("--reports", required=True, help="where pages go")
    parser.add_argument(
        "--manifest", required=True, help="list to write (JSON), in the folder of the results"
    )
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Hashes everything and writes the list."""
    arguments = parse_arguments(argv)
    with job("manifest"), guarded(arguments.manifest) as (temporary,):
        places = manifests.Places(Path(arguments.manifest).parent, arguments.reports)
        content = manifests.manifest(json.loads(arguments.settings), arguments.made, arguments.given, places)
        write_json(temporary, content)
        say(f"manifest: {len(content['files'])} files, made from {len(content['given'])}")


if __name__ == "__main__":
    main()
