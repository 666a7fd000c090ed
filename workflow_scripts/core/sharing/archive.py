"""A folder as one zip file whose bytes depend on its files' names and bytes alone."""

import shutil
import zipfile
from pathlib import Path

FIRST_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that zip can say
STORED = {".parquet", ".safetensors"}  # compressed already, or not to be compressed
CHUNK = 1 << 20


def write_zip(target: Path, folder: Path, top: str) -> None:
    """Packs every file below `folder` under the one directory `top`, sorted, with a fixed time and mode."""
    with zipfile.ZipFile(target, "w", allowZip64=True) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"{top}/{path.relative_to(folder).as_posix()}", FIRST_TIME)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # Unix, wherever it was packed
            stored = path.suffix in STORED
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as packed:
                shutil.copyfileobj(source, packed, CHUNK)
