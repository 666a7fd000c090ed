"""A model is fetched from a hub, here a local one, with lines of progress, and once."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workflow_scripts.core import hashing
from workflow_scripts.core.progress import read_line

SIZES = {
    "config.json": 700,
    "model-1.safetensors": 300_000,
    "model-2.safetensors": 200_000,
    "tokenizer.json": 9000,
}
SIZES["pytorch_model.bin"] = 10**6  # pickled: never fetched
REVISION = "0123456789abcdef0123456789abcdef01234567"
FETCH = """
import sys
from workflow_scripts.core.runtime import quiet_libraries
quiet_libraries()
from workflow_scripts.core import hub_download, models, progress
progress.SECONDS, hub_download.GIGABYTE = 0.0, 1000
print(models.local_directory(models.ModelReference("lab/base", sys.argv[1], "base")))
"""


class Hub(BaseHTTPRequestHandler):
    """A hub with one repository, whose files are those of the server's `folder`."""

    def do_GET(self, body=True):
        self.server.asked.append(self.path)
        if "/tree/" in self.path:
            files = [
                {
                    "type": "file",
                    "path": path.name,
                    "size": path.stat().st_size,
                    "oid": hashing.sha256_file(path)[:40],
                }
                for path in sorted(self.server.folder.iterdir())
            ]
            return self.answer(json.dumps(files).encode(), {"Content-Type": "application/json"})
        path = self.server.folder / self.path.split("?")[0].rpartition("/")[2]
        marks = {"ETag": f'"{hashing.sha256_file(path)[:40]}"', "X-Repo-Commit": REVISION}
        return self.answer(path.read_bytes(), marks, body)

    def do_HEAD(self):
        self.do_GET(body=False)

    def answer(self, content: bytes, headers: dict, body=True):
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *arguments):
        """Nothing."""


@pytest.fixture
def hub(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.folder, server.asked = tmp_path / "lab", []
    server.folder.mkdir()
    for name, size in SIZES.items():
        (server.folder / name).write_bytes(name[:1].encode() * size)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(hub, home: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {
        "HF_HOME": str(home),
        "HF_ENDPOINT": "http://{}:{}".format(*hub.server_address),
    }
    command = [sys.executable, "-c", FETCH, REVISION]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_download_says_how_much_is_left_and_is_made_once(hub, tmp_path):
    result = fetch(hub, tmp_path / "home")
    assert result.returncode == 0, result.stderr[-3000:]
    directory = Path(result.stdout.strip())
    wanted = SIZES.keys() - {"pytorch_model.bin"}
    assert {path.name for path in directory.iterdir()} == wanted
    readings = [read_line(line) for line in result.stderr.splitlines()]
    assert readings and all(reading.label == "download of lab/base" for reading in readings)
    size = sum(SIZES[name] for name in wanted)
    assert {reading.total for reading in readings} == {f"{size / 1000:.1f}"}
    assert not readings[-1].open and "\r" not in result.stderr

    hub.asked.clear()
    again = fetch(hub, tmp_path / "home")
    assert again.stdout == result.stdout and again.stderr == "" and hub.asked == []
