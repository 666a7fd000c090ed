"""A real run is verified: as it is, with single values changed and all digests made to fit, and elsewhere."""

import json
import shutil
import zipfile

import pytest

from tests.verification_files import (
    change_json,
    change_record,
    copy_run,
    make_digests_fit,
    run_module,
)
from workflow_scripts.core.manifests import read_manifest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


@pytest.fixture
def copy(finished_run, tmp_path):
    return copy_run(finished_run, tmp_path / "run")


def test_a_finished_run_holds(finished_run):
    result = run_module(finished_run, "verify", "results")
    assert result.returncode == 0, result.stderr[-4000:]
    assert "results holds" in result.stderr and "DIFFER" not in result.stderr
    assert "COULD NOT BE CHECKED" not in result.stderr


def change_text(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def spoil(results) -> dict[str, tuple[int | None, str]]:
    """Changes one value in one file of each kind; {file: (row, field)} as each ought to be named.

    None of them is what another is computed from: of each file the first difference is named.
    """
    change_record(results / "dev_evaluation/base_raw/scores.parquet", 3, "success", lambda value: not value)
    change_record(results / "evaluation/sft/responses.parquet", 5, "response", lambda text: f"{text}x")
    change_record(results / "dev_evaluation/base/responses.parquet", 2, "prompt_sha256", lambda _: "0" * 64)
    change_record(results / "evaluation/sft-longer/responses.parquet", 4, "record_id", lambda _: "0" * 64)
    change_record(results / "generation/shard-001.parquet", 7, "seed", lambda seed: seed ^ 1)
    change_record(results / "pilot/records.parquet", 0, "instruction_prompt_sha256", lambda _: "0" * 64)
    change_record(results / "preferences/candidates/shard-000.parquet", 1, "usable", lambda value: not value)
    change_record(results / "sft_data/train.parquet", 1, "verdict_margin", lambda margin: margin + 1e-6)
    change_record(results / "test_set/test.parquet", 6, "reference", lambda text: f"{text}.")
    change_json(results / "gates/error_rates.json", "gates/dpo/n", lambda n: n + 1)
    change_json(results / "statistics/comparisons.json", "comparisons/0/mcnemar/mid_p", lambda p: p + 1e-6)
    change_json(results / "gates/pilot.json", "decision", lambda _: "stop")
    change_json(results / "sft_data/qc.json", "metrics/runaway_rate/value", lambda value: value + 1e-6)
    change_json(results / "critic/calibration.json", "metrics/auc/value", lambda value: value - 1e-6)
    change_json(results / "base/sentinels.json", "metrics/chat_marker_rate/value", lambda value: value + 1e-6)
    change_json(results / "base/guard.json", "metrics/negative_control_fired/value", lambda value: value + 1)
    change_json(results / "models/dpo/main/training.json", "final_loss", lambda value: value + 1e-6)
    change_json(results / "models/sft/adapter_config.json", "r", lambda value: value + 1)
    number = results / "tables/numbers.csv"
    change_text(number, "evaluation/audit,metrics.claim_lift,", "evaluation/audit,metrics.claim_lift,1")
    change_text(results / "figures/arms.svg", "translate(", "translate(1")
    change_text(results.parent / "reports/summary.html", "</h1>", " 99 %</h1>")
    return {
        "results/dev_evaluation/base_raw/scores.parquet": (3, "success"),
        "results/evaluation/sft/responses.parquet": (5, "response"),
        "results/dev_evaluation/base/responses.parquet": (2, "prompt_sha256"),
        "results/evaluation/sft-longer/responses.parquet": (4, "record_id"),
        "results/generation/shard-001.parquet": (7, "seed"),
        "results/pilot/records.parquet": (0, "instruction_prompt_sha256"),
        "results/preferences/candidates/shard-000.parquet": (1, "usable"),
        "results/sft_data/train.parquet": (1, "verdict_margin"),
        "results/test_set/test.parquet": (6, "reference"),
        "results/gates/error_rates.json": (None, "gates.dpo.n"),
        "results/statistics/comparisons.json": (None, "comparisons.0.mcnemar.mid_p"),
        "results/gates/pilot.json": (None, "decision"),
        "results/sft_data/qc.json": (None, "metrics.runaway_rate.value"),
        "results/critic/calibration.json": (None, "metrics.auc.value"),
        "results/base/sentinels.json": (None, "metrics.chat_marker_rate.value"),
        "results/base/guard.json": (None, "metrics.negative_control_fired.value"),
        "results/models/dpo/main/training.json": (None, "final_loss"),
        "results/models/sft/adapter_config.json": (None, "r"),
        "results/tables/numbers.csv": (None, ""),
        "results/figures/arms.svg": (None, "line"),
        "reports/summary.html": (None, "line"),
    }


def test_single_values_are_named_though_all_digests_fit(copy, tmp_path):
    """What a forger would have to change besides: everything that follows from it."""
    expected = spoil(copy / "results")
    make_digests_fit(copy)
    result = run_module(copy, "verify", "results", "--json", tmp_path / "found.json")
    assert result.returncode == 1, result.stderr[-4000:]
    found = {}
    for entry in json.loads((tmp_path / "found.json").read_text()):
        found.setdefault(entry["file"], []).append((entry["row"], entry["field"]))
    for name, (row, field) in expected.items():
        assert name in found, f"{name} is not named: {sorted(found)}"
        if name.endswith((".parquet", ".json")):
            assert (row, field) in found[name], (name, found[name])
    first = next(line for line in result.stderr.splitlines() if line.startswith("  results/"))
    assert first


def test_without_the_tokenizer_it_says_what_could_not_be_checked(copy):
    (copy / "resources/demo_base/tokenizer.json").unlink()
    result = run_module(copy, "verify", "results")
    assert result.returncode == 3, result.stderr[-4000:]
    unchecked = result.stderr.partition("COULD NOT BE CHECKED")[2]
    assert "tokenizer" in unchecked and "as far as it could be checked" in unchecked


def test_an_archive_verifies_elsewhere(copy, tmp_path):
    archives = [tmp_path / "a" / "tiny.zip", tmp_path / "b" / "tiny.zip"]
    for archive in archives:
        result = run_module(copy, "share", "results", "--archive", archive)
        assert result.returncode == 0, result.stderr[-4000:]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with zipfile.ZipFile(archives[0]) as archive:
        archive.extractall(tmp_path / "elsewhere")
    unpacked = tmp_path / "elsewhere/tiny"
    # The tokenizer comes with the archive: the project's base is not looked at.
    shutil.rmtree(copy / "resources/demo_base")
    result = run_module(copy, "verify", unpacked / "results")
    assert result.returncode == 0, result.stderr[-4000:]
    assert "sft-merged" in result.stderr.partition("not in this copy")[2]
    (unpacked / "README.md").write_text("another card")
    result = run_module(copy, "verify", unpacked / "results", "--json", tmp_path / "found.json")
    assert result.returncode == 1
    assert [entry["file"] for entry in json.loads((tmp_path / "found.json").read_text())] == ["README.md"]


def test_the_manifest_states_config_code_and_environments(finished_run):
    manifest = read_manifest(finished_run / "results")
    assert manifest["config"]["seed"] == 1 and "pathvars" not in manifest["config"]
    assert manifest["code"].keys() == manifest["environment"].keys() >= {"train_sft", "score", "manifest"}
