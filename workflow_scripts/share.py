"""Packs a finished run into one archive for readers, with cards and an RO-Crate description.

python -m workflow_scripts.share results --archive share/run.zip --repo NAME/my-run

It says what would be sent where on the Hugging Face hub; only --upload sends it. The archive verifies after
unpacking anywhere: python -m workflow_scripts.verify run/results
"""

import argparse
import tempfile
from pathlib import Path

from workflow_scripts.core.runtime import job, say


def parse_arguments(argv=None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="the folder of the results; reports/ inside or beside it")
    parser.add_argument("--archive", type=Path, required=True, help="zip file to write")
    parser.add_argument("--title", help="what the cards call the run (default: the archive's name)")
    parser.add_argument(
        "--license", default="apache-2.0", help="licence of the generated data, as the hub calls it"
    )
    parser.add_argument("--language", default="en", help="language of the generated data")
    parser.add_argument(
        "--without-adapters", action="store_true", help="leave weights out, keep their digests"
    )
    parser.add_argument("--repo", help="OWNER/NAME on the hub, for the list of what would be uploaded")
    parser.add_argument("--upload", action="store_true", help="upload it now, to private repositories")
    return parser.parse_args(argv)


def fill(folder: Path, arguments: argparse.Namespace) -> None:
    """Lays the archive's files out in a folder; InputError before anything private is packed."""
    from workflow_scripts.core.outputs import json_text
    from workflow_scripts.core.sharing import cards, contents, crate, layout, privacy, upload

    title = arguments.title or arguments.archive.stem
    packed, manifest, sessions = contents.gather(arguments.results, not arguments.without_adapters)
    run = cards.facts(arguments.results, manifest)
    packed.written["README.md"] = cards.dataset_card(run, title, arguments.license, arguments.language)
    layout.place(folder, packed)
    for arm in upload.adapters(folder):
        card = cards.model_card(run, arm, title, arguments.license, arguments.language)
        packed.written[upload.card_name(arm)] = card
    layout.place(folder, packed)
    described = crate.description(folder, packed.names, title, arguments.license, sessions)
    packed.written[crate.METADATA] = json_text(described)
    layout.place(folder, packed)
    (folder / contents.LIST).write_text(json_text(contents.list_of(folder, packed)), encoding="utf-8")
    privacy.refuse_private(folder, privacy.private_words(sessions))
    for note in packed.notes:
        say(f"share: {note}")
    for name in packed.left_out:
        say(f"share: left out, its digest is in {contents.LIST}: {name}")


def main(argv=None) -> None:
    """Packs, says what would be uploaded, and uploads where that is asked for."""
    arguments = parse_arguments(argv)
    with job("share"), tempfile.TemporaryDirectory(prefix="share-") as temporary:
        from workflow_scripts.core.errors import InputError
        from workflow_scripts.core.outputs import guarded
        from workflow_scripts.core.sharing import archive, upload

        if arguments.upload and not arguments.repo:
            raise InputError(field="--repo", remedy="say where to upload to: --repo OWNER/NAME")
        folder = Path(temporary) / arguments.archive.stem
        fill(folder, arguments)
        with guarded(arguments.archive) as (target,):
            archive.write_zip(target, folder, arguments.archive.stem)
        uploads = upload.plan(folder, arguments.repo or f"OWNER/{arguments.archive.stem}")
        say(f"share: {len(uploads[0].files)} files, {arguments.archive.stat().st_size:,} bytes")
        for each in uploads:
            size = sum(path.stat().st_size for path in each.files.values())
            what = "sending" if arguments.upload else "would upload"
            say(f"share: {what} {len(each.files)} files ({size:,} bytes) to {each.address}")
            for name in list(each.files) if each.kind == "model" else ():
                say(f"  {name}")
        if arguments.upload:
            upload.send(uploads)


if __name__ == "__main__":
    main()
