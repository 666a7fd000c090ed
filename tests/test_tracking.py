"""TensorBoard and W&B by config: refused in time, told of everything, and of no effect on what is made."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import network_guard
from tests.conftest import TINY
from tests.overlay_environment import make_overlay
from tests.test_project_files import pins
from workflow_scripts.core import config_validation, hashing, tracking
from workflow_scripts.core.errors import InputError

KEY = {"WANDB_API_KEY": "0" * 40}
MADE = ("adapter_model.safetensors", "adapter_config.json", "training.json", "metrics.parquet")
CURVES = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator(sys.argv[1])
found.Reload()
tags = found.Tags()["scalars"]
print(json.dumps({tag: [[event.step, event.value] for event in found.Scalars(tag)] for tag in tags}))
"""


def environment_file(path: Path, *packages: str) -> Path:
    path.write_text(yaml.safe_dump({"dependencies": ["python=3.11", {"pip": [*packages, "trl==1.16.0"]}]}))
    return path


def installed(monkeypatch, *names: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name in names else None)


def test_nothing_is_asked_for_by_default():
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    assert config["tracking"]["report_to"] == []
    tracking.check([], None, {})


def test_without_the_variable_there_is_no_tracking(monkeypatch):
    monkeypatch.delenv(tracking.VARIABLE, raising=False)
    assert tracking.stated() is None


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_tracker_that_is_not_there_is_refused_with_the_way_to_get_it(monkeypatch, name):
    installed(monkeypatch)
    wanted = rf"tracking.report_to = '{name}': it is not installed: pip install -r {tracking.REQUIREMENTS} -c"
    with pytest.raises(InputError, match=wanted):
        tracking.check([name], None, KEY)
    installed(monkeypatch, name)
    tracking.check([name], None, KEY)


def test_in_a_conda_environment_that_environment_must_have_it(monkeypatch, tmp_path):
    installed(monkeypatch, "tensorboard")
    with pytest.raises(InputError, match=r"train.yaml, which has no tensorboard: add it there"):
        tracking.check(["tensorboard"], environment_file(tmp_path / "train.yaml"), {})
    named = environment_file(tmp_path / "train.yaml", "tensorboard==2.21.0")
    installed(monkeypatch)
    tracking.check(["tensorboard"], named, {})
    with pytest.raises(InputError, match="has no tensorboard"):
        tracking.check(["tensorboard"], Path("envs/train.yaml"), {})


def test_wandb_needs_a_key_or_to_be_offline(monkeypatch, tmp_path):
    installed(monkeypatch, "wandb")
    logged_in = tmp_path / "netrc"
    logged_in.write_text("machine api.wandb.ai login user password secret\n")
    logged_in.chmod(0o600)
    nowhere = {"NETRC": str(tmp_path / "absent")}
    with pytest.raises(InputError, match="set WANDB_API_KEY, run wandb login, or set WANDB_MODE=offline"):
        tracking.check(["wandb"], None, nowhere)
    with pytest.raises(InputError, match="no key is there"):
        tracking.check(["wandb"], None, {"NETRC": str(logged_in), "WANDB_BASE_URL": "https://own.example"})
    tracking.check(["wandb"], None, {"NETRC": str(logged_in)})
    tracking.check(["wandb"], None, nowhere | KEY)
    tracking.check(["wandb"], None, nowhere | {"WANDB_MODE": "offline"})


def test_an_unknown_tracker_is_refused():
    config = yaml.safe_load(Path("config/config.yaml").read_text())
    config["tracking"]["report_to"] = ["mlflow"]
    schema = yaml.safe_load(Path(config_validation.SCHEMA).read_text())
    with pytest.raises(InputError, match=r"tracking\.report_to\.0 = 'mlflow'"):
        config_validation.check_schema(config, schema)


def test_the_requirements_are_exact_and_agree_with_all_others():
    wanted, vllm = pins(tracking.REQUIREMENTS), pins("requirements-vllm.txt")
    assert {"tensorboard", "wandb"} <= wanted.keys()
    assert not wanted.keys() & {*pins("requirements.txt"), *pins("constraints.txt")}
    assert {name: vllm[name] for name in wanted.keys() & vllm.keys()} == {
        name: wanted[name] for name in wanted.keys() & vllm.keys()
    }


@pytest.mark.slow
def test_switching_it_on_makes_nothing_anew(finished_run, tmp_path):
    for name in ("tensorboard", "wandb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    words = ["-m", "snakemake", "--profile", "profiles/local", "--configfile", TINY, "--dry-run"]
    asked = ["--config", "tracking={report_to: [tensorboard, wandb], project: mine}"]
    environment = os.environ | KEY | {"PYTHONPATH": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, *words, *asked], cwd=finished_run, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-4000:]
    assert "Nothing to be done" in result.stdout + result.stderr


@pytest.mark.parametrize("host", tracking.HOSTS)
def test_wandb_login_is_found_by_either_name(monkeypatch, tmp_path, host):
    installed(monkeypatch, "wandb")
    (tmp_path / "netrc").write_text(f"machine {host} login user password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    tracking.check(["wandb"], None, {"NETRC": str(tmp_path / "netrc")})


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The Python of an environment that has the trackers, and else what this one has."""
    return make_overlay(tmp_path_factory.mktemp("tracking") / "venv", tracking.REQUIREMENTS)


def trained(python: Path, directory: Path, *code: str, **environment) -> network_guard.Guarded:
    """SFT and DPO on tiny models, behind the guard."""
    command = [str(python), *(code or ("-m", "tests.whole_stages")), str(directory), "sft", "dpo"]
    done = network_guard.guarded(command, **{"OMP_NUM_THREADS": "1", **environment})
    assert done.returncode == 0, done.output[-4000:]
    return done


def asked_for(directory: Path, *trackers: str) -> str:
    return json.dumps({"report_to": trackers, "directory": str(directory), "project": "a-project"})


def digests(directory: Path) -> dict[str, str]:
    return {
        f"{stage}/{name}": hashing.sha256_file(directory / stage / name)
        for stage in ("sft", "dpo")
        for name in MADE
    }


@pytest.mark.integration
@pytest.mark.timeout(300)
@network_guard.needs_guard
def test_trackers_hear_everything_change_nothing_and_send_nothing_unasked(python, tmp_path):
    plain = trained(python, tmp_path / "plain", **{tracking.VARIABLE: ""})
    told = tmp_path / "told"
    tracked = trained(
        python,
        tmp_path / "tracked",
        WANDB_MODE="offline",
        **{tracking.VARIABLE: asked_for(told, "tensorboard", "wandb")},
    )
    assert plain.attempts == [] and tracked.attempts == []
    assert digests(tmp_path / "tracked") == digests(tmp_path / "plain")
    assert "W&B: " not in plain.output and tracked.output.count("W&B: ") == 2
    assert "\r" not in tracked.output and "\x1b" not in tracked.output

    curves = sorted((told / "tensorboard").iterdir())
    assert [path.name.rpartition("-")[0] for path in curves] == ["train_dpo-dpo", "train_sft-sft"]
    read = subprocess.run([str(python), "-c", CURVES, str(curves[1])], capture_output=True, text=True)
    scalars = json.loads(read.stdout.splitlines()[-1])
    assert [step for step, _ in scalars["train/loss"]] == list(range(1, 16))
    record = json.loads((tmp_path / "tracked/sft/training.json").read_text())
    assert scalars["train/loss"][0][1] == pytest.approx(record["first_step_loss"])
    shown = [(step, pytest.approx(value)) for step, value in scalars["eval/dev_success"]]
    assert [(entry["step"], entry["success"]) for entry in record["dev_success"]] == shown

    runs = [path.read_bytes() for path in sorted(told.glob("wandb/offline-run-*/*.wandb"))]
    assert len(runs) == 2
    for content in runs:
        assert all(word in content for word in (b"a-project", b"train/loss", b"eval/dev_success"))


@pytest.mark.integration
@pytest.mark.timeout(180)
@network_guard.needs_guard
def test_where_wandb_cannot_be_reached_the_training_goes_on(python, tmp_path):
    impatient = (
        "import sys; from pathlib import Path; from tests import whole_stages;"
        "from workflow_scripts.core.runtime import quiet_libraries; quiet_libraries();"
        "from workflow_scripts.core import training_tracking; training_tracking.INIT_SECONDS = 2.0;"
        "whole_stages.run(Path(sys.argv[1]), sys.argv[2:3])"
    )
    done = trained(
        python, tmp_path, "-c", impatient, **KEY, **{tracking.VARIABLE: asked_for(tmp_path / "told", "wandb")}
    )
    assert "W&B is left out: " in done.output and "train_sft: done in" in done.output
    assert done.attempts  # W&B was asked for, and nobody else
    assert all(attempt.endswith(tuple(tracking.HOSTS)) for attempt in done.attempts)
    assert KEY["WANDB_API_KEY"] not in done.output
