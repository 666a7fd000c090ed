"""Before money is spent, what would end a run later is refused, in one line that says what to do."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.fake_pod import fake_gpus, on_path, write_command
from workflow_scripts.core import machine, preflight, preflight_storage
from workflow_scripts.core.budget.catalogue import load_catalogue
from workflow_scripts.core.errors import InputError
from workflow_scripts.preflight import main

CATALOGUE = Path("config/gpus.yaml").resolve()
REVISION = "0123456789abcdef0123456789abcdef01234567"
SECRET = "hf_planted_secret"
PLAN = {
    "gpu": {"id": "h100-80gb", "dollars_per_hour": 2.69},
    "cap": 300,
    "model": {"parameters": 1_000_000, "precision": {"generation": "bfloat16", "training": "nf4"}},
    "memory_gb": {
        "generation": {"bfloat16": {"total": 68.0}},
        "training": {"sft": {"nf4": {"total": 40.0}}, "dpo": {"nf4": {"total": 60.0}}},
    },
    "total": {
        "core": {"dollars": {"low": 40.0, "high": 80.0}},
        "all": {"dollars": {"low": 60.0, "high": 120.0}},
    },
}
BASE = {"path": str(Path("resources/demo_base").resolve()), "repo": None, "revision": None}


class Hub(BaseHTTPRequestHandler):
    """A hub that knows one repository, open, gated or behind a token, as the server's `kind` says."""

    def do_GET(self):
        kind, token = self.server.kind, self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.server.tokens.add(token)
        if kind == "open" or (kind == "needs-token" and token == SECRET):
            path = self.path.split("?")[0]
            if path.endswith("/revision/" + REVISION):
                files = [{"rfilename": name, "size": 2_000} for name in ("config.json", "model.safetensors")]
                files.append({"rfilename": "pytorch_model.bin", "size": 9_000_000})
                content = {"id": "lab/base", "sha": REVISION, "siblings": files, "private": False, "tags": []}
                return self.answer(200, {}, content)
            if path.endswith("/auth-check"):
                return self.answer(200, {}, {})
            return self.answer(404, {"X-Error-Code": "RevisionNotFound"}, {"error": "Invalid rev id"})
        if kind == "broken":
            return self.answer(503, {}, {"error": "down"})
        if kind == "bad-token":
            return self.answer(401, {}, {"error": "Invalid credentials"})
        if kind == "absent":
            return self.answer(404, {"X-Error-Code": "RepoNotFound"}, {"error": "Repository not found"})
        status = 403 if token else 401
        return self.answer(status, {"X-Error-Code": "GatedRepo"}, {"error": "Access is restricted"})

    def answer(self, status, headers, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Nothing: the test's output is not the server's."""


@pytest.fixture
def hub():
    """A local hub; set its `kind`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.kind, server.tokens = "open", set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Result:
    """How a look at the pod ended."""

    returncode: int
    stderr: str


@pytest.fixture
def pod(tmp_path, monkeypatch, capfd):
    """Runs preflight on a made-up pod; `gpus`: arguments of fake_gpus. `alone`: in a process of its own."""
    (tmp_path / "volume").mkdir()
    fake_gpus(tmp_path / "bin")
    monkeypatch.setenv("PATH", on_path(tmp_path / "bin"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub/hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hub/token"))
    for name in ("CUDA_VISIBLE_DEVICES", "HF_TOKEN", "RUNPOD_POD_ID"):
        monkeypatch.delenv(name, raising=False)

    def run(gpus=None, plan=None, base=None, environment=None, hub=None, results=None, alone=False):
        if gpus is not None:
            fake_gpus(tmp_path / "bin", **gpus)
        (tmp_path / "plan.json").write_text(json.dumps(PLAN | (plan or {})))
        settings = {"base_model": BASE | (base or {}), "dpo": {"variants": {"main": {}}}}
        report = tmp_path / "preflight.json"
        report.unlink(missing_ok=True)
        arguments = ["--settings", json.dumps(settings), "--plan", str(tmp_path / "plan.json")]
        arguments += ["--catalogue", str(CATALOGUE), "--results", str(results or tmp_path / "volume/results")]
        arguments += ["--report", str(report)]
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        if hub is not None:
            address = "http://{}:{}".format(*hub.server_address)
            monkeypatch.setenv("HF_ENDPOINT", address)
            monkeypatch.setattr(constants, "ENDPOINT", address)  # read when the library was imported
        if alone:
            command = [sys.executable, "-m", "workflow_scripts.preflight", *arguments]
            ended = subprocess.run(command, capture_output=True, text=True)
            result = Result(ended.returncode, ended.stdout + ended.stderr)
        else:
            try:
                main(arguments)
                code = 0
            except SystemExit as ended:
                code = ended.code
            result = Result(code, capfd.readouterr().err)
        assert SECRET not in result.stderr and "Traceback" not in result.stderr, result.stderr
        assert report.exists() == (result.returncode == 0), result.stderr
        return result

    return run


def refusal(result):
    """The one line in which a run was refused."""
    assert result.returncode == 1, result.stderr
    lines = [line for line in result.stderr.splitlines() if not line.startswith("preflight: ")]
    assert lines == [], result.stderr
    refused = [line for line in result.stderr.splitlines() if "refused" in line]
    assert len(refused) == 1, result.stderr
    return refused[0].removeprefix("preflight: refused: ")


def test_a_pod_that_is_ready_passes_and_what_was_found_is_kept(pod, tmp_path):
    result = pod(gpus={"count": 2})
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "preflight.json").read_text())["found"]
    assert found.keys() == {"GPU", "memory", "conda", "model", "disk", "volume", "price"}
    assert found["GPU"].startswith("2 x NVIDIA H100 80GB HBM3, 84.9 GB free (75.6 GB needed), CUDA 13.0")
    assert found["price"].startswith(
        "$2.69 an hour, as the catalogue or budget.price says; $60.00 to $120.00"
    )
    assert "67 MB written" in found["volume"] and not list((tmp_path / "volume").iterdir())


def test_no_gpu(pod):
    line = refusal(pod(gpus={"count": 0}))
    assert line == "GPU = 'none': nvidia-smi finds none: take a machine with the planned one (H100 80GB)"


def test_no_gpu_is_needed_where_the_plan_is_for_none(pod):
    result = pod(gpus={"count": 0}, plan={"gpu": {"id": "demo-cpu", "dollars_per_hour": 0.1}})
    assert result.returncode == 0 and "GPU: none needed (two CPU cores)" in result.stderr


@pytest.mark.parametrize(
    ("name", "total"),
    [("NVIDIA A100-SXM4-80GB", 81920), ("NVIDIA H200", 143771), ("NVIDIA H100 80GB HBM3", 40000)],
)
def test_another_gpu_than_the_one_that_was_planned(pod, name, total):
    line = refusal(pod(gpus={"name": name, "total": total, "free": total}))
    assert line.startswith(f"GPU = '{name}, ")
    assert "planned and priced for another (H100 80GB): name this one in budget.gpu" in line


@pytest.mark.parametrize("name", ["NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "NVIDIA H100 NVL"])
def test_the_kinds_of_one_gpu_are_that_gpu(pod, name):
    assert pod(gpus={"name": name}).returncode == 0


def test_too_little_gpu_memory(pod):
    line = refusal(pod(gpus={"count": 2, "free": 20000}))
    assert line.startswith(
        "GPU memory = '21.0 GB free of 85.5 GB on GPU 0': 75.6 GB are needed: end what else"
    )


@pytest.mark.parametrize(("driver", "cuda"), [("550.54.15", "12.4"), ("570.1", "N/A"), ("535.1", "12.2")])
def test_a_cuda_older_than_the_pins(pod, driver, cuda):
    line = refusal(pod(gpus={"driver": driver, "cuda": cuda}))
    assert line.startswith(f"CUDA = 'driver {driver}, CUDA 12.")
    assert "need CUDA 13.0 or newer (driver 580): take a machine with a newer driver" in line


@pytest.mark.parametrize(("driver", "cuda"), [("580.65.06", "N/A"), ("595.1", "13.2"), ("550.1", "13.0")])
def test_a_new_enough_cuda_is_known_by_its_version_or_its_driver(pod, driver, cuda):
    assert pod(gpus={"driver": driver, "cuda": cuda}).returncode == 0


def test_too_little_memory_of_the_host(monkeypatch, situation):
    monkeypatch.setattr(machine, "available_memory", lambda: 10**9)
    with pytest.raises(InputError) as error:
        preflight.check_memory(situation)
    assert str(error.value).startswith("memory = '1.0 GB available': 4.0 GB are needed to merge an adapter")


@pytest.fixture
def situation(tmp_path):
    """A machine of this test's own, and a plan for two DPO variants."""
    settings = {"base_model": BASE, "dpo": {"variants": {"main": {}, "beta": {}}}}
    return preflight.Situation(settings, PLAN, load_catalogue(CATALOGUE), tmp_path / "results", None)


def test_a_disk_that_is_too_small_for_what_is_to_come(monkeypatch, situation):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**10, 9 * 10**9, 10**9))
    with pytest.raises(InputError) as error:
        preflight_storage.check_disk(situation, 5e8)
    assert (
        "disk = '1.0 GB free': 1.5 GB are needed (4 merged models and records 1.0 GB, download 0.5 GB)"
        in str(error.value)
    )


def test_merged_models_that_are_there_need_no_more_room(situation):
    (situation.results / "models").mkdir(parents=True)
    (situation.results / "models/sft-merged.json").write_text("{}")
    assert "3 merged models" in preflight_storage.check_disk(situation, 0)


def test_environments_need_room_until_they_are_there(situation, tmp_path):
    situation = replace(situation, environments=tmp_path / "environments")
    assert ", environments 30.0 GB" in preflight_storage.check_disk(situation, 0)
    (tmp_path / "environments/abc/conda-meta").mkdir(parents=True)
    assert ", environments" not in preflight_storage.check_disk(situation, 0)


def test_no_conda_where_jobs_run_in_its_environments(situation, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert preflight_storage.check_conda(situation) == "not used"
    situation = replace(situation, environments=tmp_path / "environments")
    with pytest.raises(InputError, match="conda = 'not on PATH': run profiles/runpod/bootstrap.sh"):
        preflight_storage.check_conda(situation)
    conda = write_command(tmp_path, "conda", "exit 0")
    assert preflight_storage.check_conda(situation).startswith(f"{conda}, environments in ")


@pytest.fixture
def small_volume(tmp_path):
    """A volume of 1 MB that is really full after that."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small volume cannot be mounted here: only root may, and not everywhere")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_volume_is_told_from_the_disk_below_it(small_volume):
    (small_volume / "results").mkdir()
    assert preflight_storage.mount_point(small_volume / "results/not-yet") == small_volume.resolve()
    assert preflight_storage.mount_point(small_volume.parent) != small_volume.resolve()


def test_a_full_volume(situation, small_volume):
    with pytest.raises(InputError) as error:
        preflight_storage.check_volume(replace(situation, results=small_volume / "results"))
    assert "write test = 'No space left on device': the volume is full, over its quota" in str(error.value)
    assert list(small_volume.iterdir()) == []


def test_a_full_volume_is_refused_by_its_free_space_too(pod, small_volume):
    result = pod(results=small_volume / "results")
    assert result.returncode == 1 and result.stderr.count("preflight: refused: ") == 2
    assert "disk = '0.0 GB free'" in result.stderr and "write test" in result.stderr


def test_results_on_the_disk_of_a_pods_container(pod, monkeypatch):
    monkeypatch.setattr(preflight_storage, "mount_point", lambda path: Path("/"))
    line = refusal(pod(environment={"RUNPOD_POD_ID": "abc"}))
    assert "volume: this is the container's disk, which is lost with the pod: clone to the volume" in line


def test_a_repository_that_can_be_downloaded(pod, hub):
    result = pod(base={"path": None, "repo": "lab/base", "revision": REVISION}, hub=hub, alone=True)
    assert result.returncode == 0, result.stderr
    assert "model: lab/base@01234567 can be downloaded, 0.0 GB" in result.stderr  # not the pickle


@pytest.mark.parametrize(
    ("kind", "token", "expected"),
    [
        ("gated", None, "it is gated and no token is set: set HF_TOKEN to a token that may read it"),
        ("needs-token", None, "it is gated and no token is set: set HF_TOKEN"),
        ("gated", SECRET, "its terms were not accepted with this token: accept them at http"),
        ("absent", None, "it does not exist, or it is private: set HF_TOKEN"),
        ("absent", SECRET, "it does not exist, or it is private and this token may not read it"),
        ("bad-token", SECRET, "it refuses the token in HF_TOKEN: make a new one"),
        ("broken", None, "the hub answers 503: try again later"),
    ],
)
def test_a_missing_token_and_a_gated_model(pod, hub, kind, token, expected):
    hub.kind = kind
    environment = {"HF_TOKEN": token} if token else {}
    base = {"path": None, "repo": "lab/base", "revision": REVISION}
    line = refusal(pod(base=base, environment=environment, hub=hub))
    assert line.startswith("config: base_model.repo = 'lab/base': ") and expected in line


def test_a_token_that_may_read_the_model(pod, hub):
    hub.kind = "needs-token"
    base = {"path": None, "repo": "lab/base", "revision": REVISION}
    assert pod(base=base, environment={"HF_TOKEN": SECRET}, hub=hub).returncode == 0
    assert SECRET in hub.tokens


def test_a_revision_that_is_not_there(pod, hub):
    other = REVISION[::-1]
    line = refusal(pod(base={"path": None, "repo": "lab/base", "revision": other}, hub=hub))
    assert line == f"config: base_model.revision = '{other}': lab/base has no such revision: correct it"


def test_no_network(pod):
    base = {"path": None, "repo": "lab/base", "revision": REVISION}
    line = refusal(pod(base=base, environment={"HF_ENDPOINT": "http://127.0.0.1:9"}, alone=True))
    assert "not in the cache, and no hub can be reached" in line


def test_without_network_a_model_in_the_cache_is_enough(pod, tmp_path):
    snapshot = tmp_path / "hub/hub/models--lab--base/snapshots" / REVISION
    shutil.copytree("resources/demo_base", snapshot)
    base = {"path": None, "repo": "lab/base", "revision": REVISION}
    result = pod(base=base, environment={"HF_ENDPOINT": "http://127.0.0.1:9"}, alone=True)
    assert result.returncode == 0 and "model: lab/base@01234567 is in the cache" in result.stderr


def test_a_model_directory_without_weights(pod, tmp_path):
    (tmp_path / "empty").mkdir()
    assert refusal(pod(base={"path": str(tmp_path / "empty")})).startswith(str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("answer", "gpus", "accepted"),
    [
        ('{"costPerHr": 2.69}', 1, True),
        ('{"costPerHr": 5.38}', 2, True),
        ('{"costPerHr": 3.29}', 1, False),
        ("not JSON", 1, True),
        ("{}", 1, True),
    ],
)
def test_the_price_of_the_pod_is_the_planned_one(tmp_path, monkeypatch, situation, answer, gpus, accepted):
    fake_gpus(tmp_path / "bin", count=gpus)
    write_command(
        tmp_path / "bin", "runpodctl", f'[ "$*" = "pod get abc --output json" ] && echo \'{answer}\''
    )
    monkeypatch.setenv("PATH", on_path(tmp_path / "bin"))
    monkeypatch.setenv("RUNPOD_POD_ID", "abc")
    if accepted:
        known = "as this pod says" if "cost" in answer else "as the catalogue or budget.price says"
        assert known in preflight.check_price(situation)
        return
    with pytest.raises(InputError) as error:
        preflight.check_price(situation)
    expected = (
        "config: budget.price = 2.69: this pod costs $3.29 an hour for each GPU: give that as budget.price"
    )
    assert str(error.value) == expected


def test_a_cap_that_the_run_cannot_keep(pod):
    line = refusal(pod(plan={"cap": 30}))
    assert line.startswith("config: budget.cap = 30: it costs $40.00 at least, without what is optional")


@pytest.mark.integration
def test_the_pins_are_built_for_the_cuda_that_is_asked_for(tmp_path):
    requirement = tmp_path / "torch.in"
    pins = re.findall(r"(?:torch|vllm)==\S+", Path("envs/generate.yaml").read_text())
    requirement.write_text("\n".join(pins) + "\n")
    target = ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"]
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", str(requirement), *target]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    major, minor = preflight.PINNED_CUDA
    assert re.search(rf"^cuda-toolkit==({major})\.({minor})\.", result.stdout, re.MULTILINE)
