"""The projection from what was measured: rates, lengths, what is to come, what is dropped; the gate."""

import json
from pathlib import Path

import pytest

from tests.budget_files import REFERENCE, SLICES, merged, plan_arguments, shipped
from tests.usage_records import write_pilot, write_usage
from workflow_scripts import budget_gate, calibrate_budget, plan_budget
from workflow_scripts.core import usage
from workflow_scripts.core.budget import dropping

HOUR = 3600


def slow_pilot(**budget) -> dict:
    """The reference plan for 15,000 records after a pilot of 43."""
    config = merged(shipped(REFERENCE), {"budget": budget})
    config["generation"] |= {"pilot_size": 43, "shards": 3, "shard_size": 5000}
    return config


class Run:
    """A run's files as far as a projection reads them."""

    def __init__(self, directory: Path, config: dict, monkeypatch):
        self.directory, self.config, self.monkeypatch = directory, config, monkeypatch
        stated = {"directory": str(directory / "usage"), "dollars_per_hour": 2.69}
        monkeypatch.setenv(usage.ACCOUNT, json.dumps(stated))

    def used(self, name: str, seconds: float, **more) -> None:
        write_usage(self.directory / "usage", name, seconds, **more)

    def pilot(self, seconds: float, *, tokens=40, starting=0.0, accepted=0.6) -> None:
        """A pilot that spent all its seconds on writing."""
        count = self.config["generation"]["pilot_size"]
        write_pilot(self.directory / "pilot.parquet", count, round(accepted * count), tokens)
        counts = {"prompt_tokens": 180.0 * count, "generated_tokens": (tokens + 30.0) * count}
        self.used("pilot", seconds + starting, counts=counts | {"generating_seconds": seconds})

    def project(self, dropped=()) -> dict:
        words = plan_arguments(self.config, self.directory)
        words = words[: words.index("--benchmarks")]
        settings = {name: self.config[name] for name in SLICES} | {"dropped": list(dropped)}
        words[words.index("--settings") + 1] = json.dumps(settings)
        target = self.directory / "budget" / "projection-pilot.json"
        more = ["--pilot", str(self.directory / "pilot.parquet"), "--projection", str(target)]
        calibrate_budget.main([*words, "--moment", "pilot", *more])
        return json.loads(target.read_text())

    def judge(self, capsys, dropped=()) -> tuple[int, str]:
        """(exit status, words) of the budget gate."""
        folder, capped = self.directory / "budget", self.config["budget"]
        stated = {"directory": str(self.directory / "usage"), "dollars_per_hour": 2.69, "cap": capped["cap"]}
        self.monkeypatch.setenv(usage.ACCOUNT, json.dumps(stated))
        asked = {"name": "budget", "criteria": self.config["gates"]["budget"], "override": None}
        settings = {name: self.config[name] for name in ("budget", "sft_longer")}
        settings |= {"gate": asked, "dropped": list(dropped)}
        words = ["--settings", json.dumps(settings), "--projection", str(folder / "projection-pilot.json")]
        words += ["--judged", str(folder / "judged-pilot.json")]
        capsys.readouterr()
        status = 0
        try:
            budget_gate.main([*words, "--decision", str(folder / "gate-pilot.json")])
        except SystemExit as ended:
            status = ended.code
        self.metrics = json.loads((folder / "judged-pilot.json").read_text())["metrics"]
        return status, capsys.readouterr().err


@pytest.fixture
def run(tmp_path, monkeypatch):
    return lambda config: Run(tmp_path, config, monkeypatch)


def stages(projection: dict) -> dict:
    return {entry["stage"]: entry for entry in projection["stages"]}


def middle(bounds: dict) -> float:
    return (bounds["low"] * bounds["high"]) ** 0.5


def test_forty_three_records_in_forty_minutes_stop_the_run(run, capsys):
    """15,000 would take 233 hours and $626: the gate says what was measured and asked, and what to do."""
    slow = run(slow_pilot(price=2.69))
    slow.pilot(40 * 60)
    projection = slow.project()
    data = stages(projection)["sft_data"]
    assert middle(data["hours"]) == pytest.approx(233, rel=0.01)  # with its jobs' starts and the judgements
    assert middle(data["dollars"]) == pytest.approx(626, rel=0.01)
    status, said = slow.judge(capsys)
    assert status == 1 and "gate budget: STOP" in said
    assert "43 records in 40.00 minutes, so 15,000 records take 232.56 h and $625.58" in said
    assert "asked cap_share <= 1.1, otherwise stop" in said
    assert "Evidence, kept:" in said and "What to do: look at what was measured" in said
    assert (slow.directory / "budget/gate-pilot.json").is_file()


def test_a_pilot_as_fast_as_planned_goes_on(run, capsys):
    fast = run(slow_pilot(price=2.69))
    fast.pilot(43 * 70 / 1500, starting=120)
    projection = fast.project()
    assert projection["metrics"]["cap_share"]["value"] < 0.3 and projection["newly_dropped"] == []
    assert fast.judge(capsys)[0] == 0
    assert not (fast.directory / "budget" / dropping.RECORD).exists()


def test_what_was_measured_takes_the_place_of_what_was_stated(run):
    """Twice the pilot's seconds: twice the hours of data and pairs; the trainings stay as they are stated."""
    config = slow_pilot(price=2.69)
    first = run(config)
    first.pilot(100)
    once = stages(first.project())
    for path in (first.directory / "usage").glob("*.jsonl"):
        path.unlink()
    first.pilot(200)
    projection = first.project()
    twice = stages(projection)
    for stage, rates in (("sft_data", "decode"), ("pairs", "decode")):
        assert twice[stage]["throughputs"][rates]["source"] == "measured"
        generated = [found[stage]["hours_by_term"]["generated_tokens"] for found in (once, twice)]
        assert middle(generated[1]) == pytest.approx(2 * middle(generated[0]), rel=1e-3)
    assert twice["sft"]["throughputs"]["training"]["source"] == "catalogue"
    assert twice["sft"]["hours_by_term"]["training_tokens"] == once["sft"]["hours_by_term"]["training_tokens"]
    assert projection["factors"]["sft"] is None and projection["factors"]["sampling"]["jobs"] == 1


def test_the_pilots_lengths_and_shares_count(run):
    """Answers of 80 tokens in place of 30 to 80, and 13 of 43 records accepted."""
    found = run(slow_pilot())
    found.pilot(100, tokens=80, accepted=0.3)
    estimates = found.project()["estimates"]
    assert estimates["response_tokens"] == {"low": 80.0, "high": 80.0}
    assert estimates["accepted"]["low"] < 13 / 43 < estimates["accepted"]["high"] < 0.46
    assert estimates["instruction_tokens"] == {"low": 30.0, "high": 30.0}


def test_a_smoke_run_measures_training_before_there_was_one(run):
    smoked = run(slow_pilot())
    smoked.pilot(100)
    path = smoked.directory / "smoke/rates.json"
    path.parent.mkdir()
    rates = {f"{kind}_tokens_per_second": 500.0 for kind in ("prompt", "generated", "training")}
    path.write_text(json.dumps({"stage": "smoke", "rates": rates}))
    training = stages(smoked.project())["sft"]["throughputs"]["training"]
    assert training["value"] == pytest.approx(500) and "smoke" in training["method"]
    path.write_text('{"stage": "smoke", "rates": {"prompt')
    with pytest.raises(SystemExit):
        smoked.project()


def test_a_training_that_was_measured_calibrates_the_later_ones(run):
    trained = run(slow_pilot())
    trained.pilot(100)
    counts = {"training_tokens": 400_000.0, "training_seconds": 1100.0, "dev_seconds": 100.0}
    trained.used("train_sft", 1200, counts=counts)
    found = stages(trained.project())
    assert found["sft"]["throughputs"]["training"]["value"] == pytest.approx(400)
    assert found["control_sft_longer"]["throughputs"]["training"]["value"] == pytest.approx(400)
    assert found["sft"]["jobs_done"] == 1 and found["sft"]["dollars_to_come"] == {"low": 0.0, "high": 0.0}


def test_a_stage_that_trains_and_answers_starts_its_jobs_as_both_kinds_did(run):
    both = run(slow_pilot())
    both.pilot(100, starting=60)
    counts = {"training_tokens": 400_000.0, "training_seconds": 1000.0}
    both.used("train_sft", 1300, counts=counts)
    projection = both.project()

    def seconds_of_a_start(stage: str, jobs: int) -> float:
        return middle(stages(projection)[stage]["hours_by_term"]["job_starts"]) / jobs

    ratio = (
        projection["factors"]["training_starts"]["value"]
        / projection["factors"]["generation_starts"]["value"]
    )
    each = {name: seconds_of_a_start(name, jobs) for name, jobs in [("sft", 2), ("sft_data", 2)]}
    stated = (60 * 240) ** 0.5 + 65.53 / (
        0.9 * 4.0
    ) ** 0.5  # a start, and a load of as many GB; it counts as one job
    assert each["sft"] / each["sft_data"] == pytest.approx(ratio, rel=1e-3)
    assert ratio == pytest.approx((300 + stated) / (60 + stated), rel=1e-3)
    mean = (each["sft"] + each["sft_data"]) / 2
    assert seconds_of_a_start("control_sft_longer", 3) == pytest.approx(mean, rel=1e-3)


def test_what_is_done_is_not_to_come_and_a_shard_counts_once(run):
    half = run(slow_pilot())
    half.pilot(100)
    before = stages(half.project())["sft_data"]
    half.used("generate_shard 000", 900, made=["generate_shard 000", "generate_shard 001"], ended="stopped")
    after = stages(half.project())["sft_data"]
    assert (before["jobs_done"], after["jobs_done"], after["jobs"]) == (1, 3, 4)
    assert middle(after["hours_to_come"]) < 0.5 * middle(before["hours_to_come"])
    assert after["dollars_used"] == pytest.approx(1000 * 2.69 / HOUR, rel=1e-3)


@pytest.mark.parametrize("left_out", [[], ["best-of-2"], ["best-of-2", "beta-0.03"]])
def test_optional_work_is_dropped_in_the_order_of_the_configuration(run, capsys, left_out):
    """As much as brings the projection to the cap and its tolerance; the run pauses, and goes on without."""
    tight = run(slow_pilot(price=2.69, cap=None))
    tight.pilot(40)
    scale = tight.project()["metrics"]["projected_dollars"]["value"]
    optional = [middle(entry["dollars_to_come"]) for entry in tight.project()["stages"] if entry["optional"]]
    within = 1.01 * scale  # of the cap and its tolerance
    for expensive in optional[len(optional) - len(left_out) :]:
        within -= expensive
    tight.config["budget"]["cap"] = within / 1.1
    projection = tight.project()
    assert [entry["variant"] for entry in projection["newly_dropped"]] == left_out
    status, said = tight.judge(capsys)
    assert status == (1 if left_out else 0)
    if left_out:
        assert "gate budget: PAUSE" in said and "it goes on without" in said
        under = dropping.circumstances(tight.config["budget"], 2.69)
        record = tight.directory / "budget" / dropping.RECORD
        dropped = dropping.active(record, under)
        assert [entry["variant"] for entry in dropped] == left_out
        # The same projection, judged again without what was dropped; then at a raised cap, with all of it.
        assert tight.judge(capsys, dropped)[0] == 0 and tight.metrics["newly_dropped"]["value"] == 0
        assert dropping.active(record, under) == dropped
        raised = dropping.circumstances(tight.config["budget"] | {"cap": 300}, 2.69)
        assert dropping.active(record, raised) == []
        tight.config["budget"]["cap"] = 300
        assert tight.judge(capsys)[0] == 0 and tight.metrics["cap_share"]["value"] < 0.2


def test_a_variant_that_the_control_is_measured_by_is_never_dropped():
    settings = {"sft_longer": {"steps_of": "beta"}}
    stages_ = [{"stage": f"dpo-{name}", "optional": "seeds", "dollars": 1.0} for name in ("seed", "beta")]
    assert [entry["variant"] for entry in dropping.choose(stages_, 10, 1, settings)] == ["seed"]


def test_a_plan_drops_only_what_its_low_bound_cannot_pay(tmp_path):
    config = merged(shipped(REFERENCE), {"budget": {"cap": 1.0}})
    plan_budget.main(plan_arguments(config, tmp_path))
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert [entry["variant"] for entry in plan["newly_dropped"]] == ["best-of-2", "beta-0.03"]
    assert plan["metrics"]["cap_share"]["low"] > 1.1
    config["budget"]["cap"] = 20  # between the bounds
    plan_budget.main(plan_arguments(config, tmp_path))
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["newly_dropped"] == [] and plan["metrics"]["cap_share"]["high"] > 1.1
    assert not (tmp_path / dropping.RECORD).exists()


def test_a_record_that_is_none_is_refused(tmp_path):
    (tmp_path / dropping.RECORD).write_text('{"under"')
    with pytest.raises(Exception, match=r"dropped.json: this is no record of dropped work: remove it"):
        dropping.active(tmp_path / dropping.RECORD, {})
