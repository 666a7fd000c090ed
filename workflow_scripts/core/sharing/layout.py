"""Lays files out in a folder: copies as links where the file system can, written ones as UTF-8."""

import os
import shutil
from pathlib import Path

from workflow_scripts.core.sharing.contents import Contents


def place(folder: Path, contents: Contents) -> None:
    """Puts every file that is not there yet under its name; written ones always."""
    for name, source in contents.copied.items():
        target = folder / name
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(Path(source).resolve(), target)
        except OSError:  # another file system
            shutil.copyfile(source, target)
    for name, text in contents.written.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
