"""Checks a finished run without a GPU and without a model, and names the first thing that differs.

python -m workflow_scripts.verify results

Exit status: 0 everything holds, 1 something differs (or the run cannot be read), 3 nothing differs, but
something could not be checked, which is named. docs/verify.md says what is checked how.
"""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from workflow_scripts.core.outputs import guarded, write_json
from workflow_scripts.core.progress import Progress
from workflow_scripts.core.runtime import job, say

SHOWN = 12
UNCHECKED = 3
STATES = {0: "holds", 1: "DIFFERS", UNCHECKED: "holds, as far as it could be checked"}


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the folder of the results; reports/ inside or beside it")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes that compute again")
    parser.add_argument(
        "--json", type=Path, help="file to write every difference to, in the order of the run"
    )
    return parser.parse_args(argv)


def show(title: str, entries) -> None:
    """Prints a title and the first entries, and how many more there are; nothing for none."""
    lines = list(dict.fromkeys(map(str, entries)))
    if lines:
        say(f"verify: {title}:")
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  and {len(lines) - SHOWN} more")


def check_bytes(places, manifest):
    """(findings, unchecked, absent): every file against the lists, and what this copy leaves out."""
    from workflow_scripts.core.verification import listed as listing

    left_out, findings = listing.read_share(places)
    counter = Progress(len(manifest["files"]), "files", "verify")
    findings += listing.check_files(manifest, places, left_out, counter)
    merged, absent = listing.check_merged(manifest, places)
    sessions, broken = listing.read_sessions(places)
    page, unchecked = listing.check_page(places)
    # A file may be on several lists: it is named once.
    found = {}
    for finding in (*findings, *merged, *broken, *page, *listing.check_sessions(manifest, sessions)):
        found.setdefault(finding.file, finding)
    return list(found.values()), unchecked, [*absent, *left_out]


def verify(results: Path, processes: int, found_file: Path | None = None) -> int:
    """Runs all checks, prints what they came to, and returns the exit status."""
    from workflow_scripts.core import manifests
    from workflow_scripts.core.verification import checking, tokenizers, workplace
    from workflow_scripts.core.verification import listed as listing

    places = manifests.find_places(results)
    if (results / manifests.NAME).is_file() and (broken := listing.check_manifest(places)):
        show("DIFFERENT", broken)  # nothing else can be held against a list that was changed
        return 1
    manifest = manifests.read_manifest(results)
    findings, unchecked, absent = check_bytes(places, manifest)
    sources = workplace.find_sources(manifest, places)
    identity = checking.read_identity(places)
    tokenizer = identity and tokenizers.find_tokenizer(identity, results.resolve().parent, sources.base)
    changed = {finding.file for finding in findings}
    outcome = checking.check_jobs(
        manifest, sources, tokenizer, changed, processes, lambda total: Progress(total, "jobs", "verify")
    )
    findings, unchecked = findings + outcome.findings, unchecked + outcome.unchecked
    say(f"verify: {len(manifest['files'])} files, manifest {manifest['seal'][:12]}")
    jobs = sum(outcome.recomputed.values())
    say(f"verify: {jobs} jobs computed again, {outcome.answers} answers gone through")
    show("the code is not the run's", outcome.other_code)
    show("not covered by any list", listing.unlisted(manifest, places))
    show("not in this copy", absent)
    show("taken as recorded, as a model or a clock made it", outcome.taken)
    show("not looked at further, as it rests on what differs", outcome.rests_on_changed)
    show("COULD NOT BE CHECKED", unchecked)
    show("DIFFERENT", findings)
    if found_file:
        with guarded(found_file) as (temporary,):
            write_json(temporary, [dataclasses.asdict(finding) for finding in findings])
    return 1 if findings else UNCHECKED if unchecked else 0


def main(argv=None) -> None:
    """Checks the run."""
    arguments = parse_arguments(argv)
    with job("verify"):
        status = verify(arguments.results, max(1, arguments.processes), arguments.json)
        say(f"verify: {arguments.results} {STATES[status]}")
    sys.exit(status)


if __name__ == "__main__":
    main()
