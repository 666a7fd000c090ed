"""Shows what a run does now: its jobs, their progress, what failed, and what it has cost so far.

    python -m workflow_scripts.watch --results results

Beside a run, in another terminal; of any profile. It reads what the jobs write, and disturbs nothing. On a
terminal the table is live until Ctrl-C; elsewhere (a pipe, a file) it is printed once.
"""

import argparse
import sys
import time
from pathlib import Path

from workflow_scripts.core.errors import InputError

WIDTH = 160  # where there is no terminal


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", default="results", type=Path, help="folder of the run's results")
    parser.add_argument("--every", default=2.0, type=float, help="seconds between two looks")
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """The table: once, or as long as it is looked at."""
    arguments = parse_arguments(argv)
    from rich.console import Console
    from rich.live import Live

    from workflow_scripts.core.watch import Watcher
    from workflow_scripts.core.watch_table import render

    watcher = Watcher(arguments.results)
    try:
        if not sys.stdout.isatty():
            Console(width=WIDTH).print(render(watcher.look()))
            return
        with Live(render(watcher.look()), auto_refresh=False, console=Console(), transient=False) as table:
            while True:
                time.sleep(arguments.every)
                table.update(render(watcher.look()), refresh=True)
    except KeyboardInterrupt:
        pass
    except InputError as error:
        sys.exit(f"watch: error: {error}")


if __name__ == "__main__":
    main()
