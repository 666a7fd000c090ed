"""Secrets planted in the environment of a run, and the search for them in all that the run leaves."""

import threading
from pathlib import Path

SECRETS = {
    "HF_TOKEN": "hf_plantedAbCdEfGhIjKlMnOpQrStUvWx",
    "RUNPOD_API_KEY": "rpa_PLANTED0123456789ABCDEFGHIJ",
    "WANDB_API_KEY": "9f5b1planted7c3e2d1a0b9c8d7e6f5a4b3c2d1e",
}
PIECE = 12  # of a secret that would give it away: as many of its characters in a row


def pieces() -> list[bytes]:
    """What is looked for: the beginning of each secret, and its end."""
    return [part.encode() for value in SECRETS.values() for part in (value[:PIECE], value[-PIECE:])]


def files_with_a_secret(directory: Path) -> list[str]:
    """Files below a directory that hold a piece of a planted secret, or have one in their name."""
    found = []
    for path in sorted(directory.rglob("*")):
        if path.name == Path(__file__).name or "__pycache__" in path.parts:
            continue  # where they are written down
        content = path.read_bytes() if path.is_file() else b""
        if any(piece in content or piece in path.name.encode() for piece in pieces()):
            found.append(str(path.relative_to(directory)))
    return found


class ProcessTitles:
    """Looks at the command lines of all processes, several times a second, while it is entered."""

    def __init__(self):
        self.seen, self.found, self._over = 0, [], threading.Event()

    def _look(self):
        while not self._over.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    title = path.read_bytes()
                except OSError:
                    continue
                self.seen += 1
                if any(piece in title for piece in pieces()):
                    self.found.append(title)

    def __enter__(self):
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()
