"""Checks a finished run without a GPU and without a model, and names the first thing that differs.

python -m workflow_scripts.verify results

Exit status: 0 everything holds, 1 something differs (or the run cannot be read), 3 nothing differs, but
something could not be checked, which is named. docs/verify.md says what is checked how.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from workflow_scripts.core.runtime import job, progress, say

SHOWN = 12
UNCHECKED = 3


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the folder of the results; reports/ inside or beside it")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes that compute again")
    return parser.parse_args(argv)


def listed(lines, most: int = SHOWN) -> None:
    """Prints the first lines, and how many more there are."""
    lines = list(dict.fromkeys(map(str, lines)))
    for line in lines[:most]:
        say(f"  {line}")
    if len(lines) > most:
        say(f"  and {len(lines) - most} more")


def verify(results: Path, processes: int) -> int:
    """Runs all checks, prints what they came to, and returns the exit status."""
    from workflow_scripts.core import manifests
    from workflow_scripts.core.verification import checking, tokenizers, workplace
    from workflow_scripts.core.verification import listed as listing

    start = time.monotonic()
    places = manifests.find_places(results)
    findings = listing.check_manifest(places)
    manifest = manifests.read_manifest(results)
    findings += listing.check_files(manifest, places, progress(len(manifest["files"]), "files", "verify"))
    merged, left_out = listing.check_merged(manifest, places)
    sessions, broken = listing.read_sessions(places)
    page, unchecked = listing.check_page(places)
    findings += merged + broken + page
    changed = {finding.file for finding in findings}
    findings += [entry for entry in listing.check_sessions(manifest, sessions) if entry.file not in changed]

    sources = workplace.find_sources(manifest, places)
    identity = checking.read_identity(places)
    tokenizer = identity and tokenizers.find_tokenizer(identity, results.resolve().parent, sources.base)
    outcome = checking.check_jobs(
        manifest, sources, tokenizer, changed, processes, lambda total: progress(total, "jobs", "verify")
    )
    findings += outcome.findings
    unchecked += outcome.unchecked
    report(findings, unchecked, outcome, manifest, [*map(str, left_out)], listing.unlisted(manifest, places))
    state = "DIFFERS" if findings else "holds, but not everything could be checked" if unchecked else "holds"
    say(f"verify: {results} {state} ({time.monotonic() - start:.1f} s)")
    return 1 if findings else UNCHECKED if unchecked else 0


def report(findings, unchecked, outcome, manifest, left_out, unlisted) -> None:
    """Prints what was done, what was not, and every difference, the first one first."""
    jobs = sum(outcome.recomputed.values())
    say(
        f"verify: {len(manifest['files'])} files listed, {jobs} jobs computed again,"
        f" {outcome.answers} prompts and answers gone through again"
    )
    if outcome.other_code:
        say(f"verify: the code of {len(outcome.other_code)} jobs is not the run's: {outcome.other_code[0]}")
    for title, lines in (
        ("not covered by any list", unlisted),
        ("not in this copy", left_out),
        ("taken as recorded, as a model computed it", outcome.taken),
        ("not looked at, as it rests on changed files", outcome.rests_on_changed),
        ("COULD NOT BE CHECKED", unchecked),
        ("DIFFERENT", findings),
    ):
        if lines:
            say(f"verify: {title}:")
            listed(lines)


def main(argv=None) -> None:
    """Checks the run."""
    arguments = parse_arguments(argv)
    with job("verify"):
        status = verify(arguments.results, max(1, arguments.processes))
    sys.exit(status)


if __name__ == "__main__":
    main()
