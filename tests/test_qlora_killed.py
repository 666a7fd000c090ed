"""QLoRA on the embedded base in processes of its own: killed with SIGKILL, started again, merged."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import test_qlora as qlora
from tests import training_files
from workflow_scripts.core import hashing, training_adapters

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[1]
SHORT = {"checkpoint_steps": 2, "max_length": 128, "learning_rate": 2e-3, "epochs": 1}


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    """Input files beside a copy of the embedded base."""
    folder = tmp_path_factory.mktemp("killed")
    shutil.copytree(ROOT / "resources/demo_base", folder / "base")
    training_files.write_examples(folder / "train.parquet", count=64)
    training_files.write_pairs(folder / "pairs.parquet", count=64)
    training_files.write_dev(folder / "dev.parquet")
    training_files.write_template(folder / "completion.j2")
    return folder


def run(directory: Path, name: str, stage: str, settings: dict, model: str) -> subprocess.Popen:
    data = directory / {"sft": "train.parquet", "dpo": "pairs.parquet"}[stage]
    words = training_files.command_line(
        directory / name, directory / model, stage, settings, data, dtype="bfloat16"
    )
    command = [sys.executable, "-m", f"workflow_scripts.train_{stage}", *words]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> str:
    log = process.communicate()[1]
    assert process.returncode == 0, log[-3000:]
    return log


def test_a_killed_training_ends_in_the_same_bytes_and_is_merged(directory):
    for stage, model, settings in (
        ("sft", "base", {**qlora.SFT, **SHORT}),
        ("dpo", "sft-merged", {**qlora.DPO, **SHORT}),
    ):
        log = finish(run(directory, stage, stage, settings, model))
        assert "at the start of training" in log and "at the end of training" in log
        killed = run(directory, f"{stage}-killed", stage, settings, model)
        while not list((directory / f"{stage}-killed").glob(".state/*/checkpoint-*/complete")):
            assert killed.poll() is None, killed.communicate()[1][-3000:]
            time.sleep(0.005)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert "goes on after step" in finish(run(directory, f"{stage}-killed", stage, settings, model))
        for name in qlora.OUTPUTS:
            whole, resumed = (directory / way / name for way in (stage, f"{stage}-killed"))
            assert hashing.sha256_file(whole) == hashing.sha256_file(resumed), name
        merged = qlora.merge(directory, stage, model)
        assert "quantization_config" not in (merged / "config.json").read_text()
    dpo = json.loads((directory / "dpo/training.json").read_text())
    assert abs(dpo["first_step_margin"]) < 1e-3 and dpo["final_loss"] < dpo["first_step_loss"]
    assert (
        dpo["reference"]["adapter_sha256"]
        == training_adapters.read_lineage(directory / "sft-merged")["adapter_sha256"]
    )
