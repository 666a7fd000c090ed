"""Two controllers in two clones share one results directory, each asked for shards of its own; one finishes.

With secrets planted in the environment, which no file and no process title may show.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import TINY, copy_sources
from tests.planted_secrets import SECRETS, ProcessTitles, files_with_a_secret

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
SHARDS = ("000", "001", "002", "003")
OVERLAY = "generation: {shard_size: 24, shards: 4, shards_per_load: 2}\n"


def start(clone, results, *targets):
    """A controller in a clone, with everything it makes below `results`."""
    places = {name: f"{results}/{name}" for name in ("logs", "benchmarks", "reports")} | {"results": results}
    listed = ", ".join(f"{name}: {place}" for name, place in places.items())
    (clone / "overlay.yaml").write_text(OVERLAY)
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--cores", "1"]
    command += ["--configfile", TINY, "overlay.yaml", "--config", f"pathvars={{{listed}}}", "--", *targets]
    variables = os.environ | SECRETS | {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=clone, env=variables, **streams)


def finish(*controllers):
    outputs = [controller.communicate()[0] for controller in controllers]
    for controller, output in zip(controllers, outputs, strict=True):
        assert controller.returncode == 0, output[-6000:]
    return outputs


def shard(results, number):
    return f"{results}/generation/shard-{number}.parquet"


@pytest.fixture(scope="module")
def clones(tmp_path_factory):
    place = tmp_path_factory.mktemp("volume")
    return [copy_sources(place / name) for name in ("pod-a", "pod-b", "alone")]


def test_two_pods_share_the_shards_and_one_goes_on(clones):
    first, second, alone = clones
    data = "sft_data/train.parquet"
    with ProcessTitles() as titles:
        finish(start(first, "../run", "../run/gates/pilot.json", "../run/budget/gate-pilot.json"))
        # What one controller makes of the same beginning by itself, to compare with.
        shutil.copytree(first.parent / "run", first.parent / "one")
        pair = [
            start(first, "../run", *(shard("../run", number) for number in SHARDS[:2])),
            start(second, "../run", *(shard("../run", number) for number in SHARDS[2:])),
        ]
        outputs = finish(*pair, start(alone, "../one", f"../one/{data}"))
        finish(start(second, "../run", f"../run/{data}"))
    volume = first.parent
    # Each ran a job for each of its own shards and nothing else.
    assert [output.count("Finished jobid") for output in outputs[:2]] == [2, 2], outputs
    names = [f"generation/shard-{number}.parquet" for number in SHARDS] + [data]
    for name in names:
        assert (volume / "run" / name).read_bytes() == (volume / "one" / name).read_bytes(), name
    sessions = [json.loads(path.read_text()) for path in (volume / "run/sessions").glob("*.json")]
    assert len(sessions) == 4 and {session["status"] for session in sessions} == {"completed"}
    # No file was made by two of them: the one that went on made no shard again.
    made = [name for session in sessions for name in session["made"]]
    assert len(made) == len(set(made)) and len([name for name in made if "/shard-" in name]) == 4
    assert titles.seen > 100 and titles.found == []
    assert files_with_a_secret(volume) == []
