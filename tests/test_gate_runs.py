"""Every gate on a real run: it is asked for what its evidence does not have, and the run ends there."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import TINY, run_snakemake
from workflow_scripts.core import gate_messages

pytestmark = pytest.mark.slow
TINY_CONFIG = yaml.safe_load(Path(TINY).read_text())
CONFIGURED = yaml.safe_load(Path("config/config.yaml").read_text())["gates"]
UNREACHABLE = 1e9


def files_of(name: str) -> str:
    """The stem of a gate's file: that of the pairs gate names the pair set."""
    return f"pairs-{min(TINY_CONFIG['preferences']['sets'])}" if name == "pairs" else name


def any_metric(name: str) -> str:
    """A metric that the gate is asked about in the configuration."""
    return min(CONFIGURED[name])


@pytest.fixture
def copy(finished_run, tmp_path):
    """A copy of the finished run, modification times kept."""
    target = tmp_path / "run"
    subprocess.run(["cp", "-a", "--reflink=auto", str(finished_run), str(target)], check=True)
    return target


def run_with(directory: Path, overlay: dict, *targets: str) -> subprocess.CompletedProcess:
    """Runs the workflow on the tiny configuration with some keys replaced."""
    (directory / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    return run_snakemake(directory, "overlay.yaml", "--", *targets)


def made(directory: Path) -> dict[str, tuple]:
    """{file: its size and time} of all results and reports but the sessions' records."""
    files = [path for folder in ("results", "reports") for path in (directory / folder).rglob("*")]
    return {
        path.relative_to(directory).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
        if path.is_file() and not {"sessions", "usage"} & set(path.parts)
    }


def asked(metric: str, otherwise: str) -> dict:
    """A criterion that nothing meets, in place of what the metric is asked (a list is replaced whole)."""
    return {metric: [{"bound": "value", "at_least": UNREACHABLE, "otherwise": otherwise}]}


@pytest.mark.parametrize("name", sorted(CONFIGURED.keys() - {"claim", "budget", "budget_plan"}))
def test_a_run_ends_at_the_gate_that_its_evidence_misses(copy, name):
    """Only the gate ran; its evidence stays, nothing after it is made, and the message says what to do."""
    before = made(copy)
    result = run_with(copy, {"gates": {name: asked(any_metric(name), "stop")}})
    told = " ".join(result.stdout.split())
    assert result.returncode != 0
    assert f"gate {name}: STOP: {gate_messages.CONSEQUENCES['stop']}" in told
    assert f"asked {any_metric(name)} >= {UNREACHABLE}, otherwise stop; see results/" in told
    assert "Evidence, kept: results/" in told and gate_messages.remedy(name) in told
    decision = f"results/gates/{files_of(name)}.json"
    assert decision in before
    # How often the gates on a lift err depends on their criteria, and is computed beside them.
    beside = {"results/gates/error_rates.json"} if name in ("sft", "dpo") else set()
    after = made(copy)
    assert decision not in after
    assert {path: state for path, state in after.items() if path not in beside} == {
        path: state for path, state in before.items() if path not in {decision, *beside}
    }
    evidence = told.split("Evidence, kept: ")[1].split(" What to do")[0].split(", ")
    assert all((copy / path).is_file() for path in evidence)


def test_a_pause_ends_the_run_in_other_words(copy):
    overlay = {"gates": {"headroom": asked("base_success", "pause")}}
    result = run_with(copy, overlay, "results/gates/headroom.json")
    assert result.returncode != 0
    assert f"gate headroom: PAUSE: {gate_messages.CONSEQUENCES['pause']}" in " ".join(result.stdout.split())


def test_an_overridden_gate_goes_on_with_the_decision_and_the_reason_on_record(copy):
    reason = "the metric is known to be measured in other units"
    overlay = {
        "gates": {"headroom": asked("base_success", "stop")},
        "overrides": {"headroom": reason},
    }
    result = run_with(copy, overlay, "results/gates/headroom.json")
    assert result.returncode == 0, result.stdout[-3000:]
    assert f"OVERRIDDEN, and recorded: {reason}" in result.stdout
    decision = json.loads((copy / "results/gates/headroom.json").read_text())
    assert (decision["decision"], decision["override"], decision["proceeds"]) == ("stop", reason, True)


def test_the_claim_gate_stops_the_claim_and_not_the_run(copy):
    """A run without an improvement still has its report; criteria changed afterwards are a deviation."""
    overlay = {"gates": {"claim": asked("claim_lift", "stop")}}
    result = run_with(copy, overlay, "results/gates/claim.json")
    assert result.returncode == 0, result.stdout[-3000:]
    assert "gate claim: STOP" in result.stdout
    decision = json.loads((copy / "results/gates/claim.json").read_text())
    assert (decision["decision"], decision["proceeds"]) == ("stop", False)
    measured = {entry["metric"]: entry["measured"] for entry in decision["criteria"]}
    assert measured["primary_deviations"] == 1
