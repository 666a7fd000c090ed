"""Snakemake that asks Slurm for its jobs every second.

The plugin asks ever less often while none finishes, up to every three minutes, and that cannot be set.
"""

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)

if __name__ == "__main__":
    main()
