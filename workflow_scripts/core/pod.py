"""What profiles/runpod asks when Snakemake starts, beside the counts of `core.machine`."""

import shutil
from collections.abc import Sequence

# With these Snakemake plans, draws or lists, and runs no job.
LOOKS_ONLY = {
    *("-n", "--dry-run", "--dryrun", "--dag", "--rulegraph", "--filegraph", "--d3dag", "-D", "--summary"),
    *("--detailed-summary", "--lint", "--report", "--unlock", "--touch"),
}


def deployment(arguments: Sequence[str]) -> str | None:
    """How jobs get their software: conda, but None where conda is missing and no job is run.

    Snakemake asks conda even for a dry run; so a plan can be looked at on any machine.
    """
    given = {argument.split("=")[0] for argument in arguments}
    looks = given & LOOKS_ONLY or any(argument.startswith("--list") for argument in given)
    return None if looks and shutil.which("conda") is None else "conda"
