"""plan_budget through its command line, on the demo and on the $300 plan; what it refuses; its rule."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from math import ceil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.budget_files import CATALOGUE, REFERENCE, make_plan, merged, shipped, write_benchmark
from workflow_scripts import plan_page
from workflow_scripts.core.budget import figure
from workflow_scripts.core.config_validation import check_config
from workflow_scripts.core.errors import InputError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_plan(shipped(), tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return make_plan(shipped(REFERENCE), tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("name", ["demo", "reference"])
def test_every_sum_in_the_plan_is_that_of_its_parts(name, request):
    plan = request.getfixturevalue(name)
    for unit in ("hours", "dollars"):
        for bound in ("low", "high"):
            everything = plan["total"]["all"][unit][bound]
            lines = sum(stage[unit][bound] for stage in plan["stages"])
            parted = sum(plan["total"][part][unit][bound] for part in ("core", "optional"))
            sessions = sum(session[unit][bound] for session in plan["sessions"])
            for summed in (lines, parted, sessions):
                assert summed == pytest.approx(everything, abs=1e-4)
    for stage in plan["stages"]:
        terms = sum(hours["high"] for hours in stage["hours_by_term"].values())
        assert stage["hours"]["high"] == pytest.approx(terms, abs=1e-5)


def test_the_whole_reference_plan_costs_less_than_75_dollars(reference):
    """50,000 records, four candidates each, two ablations, N = 1000: even at the upper bound."""
    assert reference["total"]["all"]["dollars"]["high"] < 75
    assert reference["total"]["all"]["hours"]["high"] < 28
    units = {stage["stage"]: stage["units"] for stage in reference["stages"]}
    assert units["sft_data"]["low"] == 50_500 and units["pairs"]["low"] == 4 * 25_000
    assert [stage["stage"] for stage in reference["stages"] if stage["optional"]] == [
        "dpo-beta-0.03",
        "dpo-best-of-2",
    ]


def test_the_reference_plan_judges_the_gpus(reference):
    gpus = {entry["gpu"]: entry for entry in reference["gpus"]}
    assert [name for name, entry in gpus.items() if entry["on_front"]] == ["h100-80gb", "h200-141gb"]
    assert gpus["a100-80gb"]["dominated_by"] == ["h100-80gb", "h200-141gb"]
    assert not gpus["l40-48gb"]["fits"]["feasible"] and not gpus["rtx-a6000-48gb"]["fits"]["feasible"]
    assert gpus["rtx-a6000-48gb"]["fits"]["generation"]["nf4"]["feasible"]
    assert reference["recommended"]["gpu"] == "h100-80gb"
    assert "too small: L40 48GB, RTX A6000 48GB" in reference["recommended"]["why"]
    assert "demo-cpu" not in gpus


def test_memory_is_told_term_by_term(reference):
    memory = reference["memory_gb"]
    assert memory["generation"]["bfloat16"]["weights"] == pytest.approx(65.5, abs=0.1)
    assert set(memory["generation"]) >= {"bfloat16", "fp8", "int8", "nf4"}
    assert set(memory["training"]["dpo"]["nf4"]) == {
        *("weights", "lora", "gradients", "optimizer", "activations", "logits", "unpacked_layer"),
        *("cuda_overhead", "total"),
    }
    for terms in (*memory["generation"].values(), *memory["training"]["sft"].values()):
        parts = sum(value for name, value in terms.items() if name != "total")
        assert terms["total"] == pytest.approx(parts, abs=0.01)


@pytest.mark.parametrize("name", ["demo", "reference"])
def test_each_gpu_of_the_picture_has_its_name_on_the_side_that_has_room(name, request):
    plan = request.getfixturevalue(name)
    root = ElementTree.fromstring(figure.frontier_svg(plan))
    anchors = {text.text: text.get("text-anchor") for text in root.iter("{http://www.w3.org/2000/svg}text")}
    by_hours = sorted(plan["gpus"], key=lambda row: row["hours"]["high"])
    assert {row["name"] for row in by_hours} <= set(anchors)
    assert (anchors[by_hours[0]["name"]], anchors[by_hours[-1]["name"]]) == ("start", "end")


def test_a_budget_in_words_counts_its_ablations(reference):
    words = {row["budget"]: figure.reach_in_words(row) for row in reference["frontier"]}
    assert ", 1 ablation," in words[20] and ", 2 ablations," in words[300] and "ablation" not in words[10]


def test_more_money_buys_no_less(reference):
    rows = reference["frontier"]
    assert [row["budget"] for row in rows] == [10, 20, 50, 100, 150, 300]
    reach = ["baseline", "baseline and SFT", "baseline, SFT and DPO"]
    bought = [
        (reach.index(row["reach"]), min(row["test_items"], 1000), row["data_share"], len(row["ablations"]))
        for row in rows
    ]
    assert bought == sorted(bought) and bought[0] < bought[-1] == (2, 1000, 1.0, 2)
    for row in rows:
        assert row["dollars"]["high"] <= row["budget"] and row["why"]
        assert row["detectable_lift"] > 0 and set(row["half_width"]) == {"0.5", "0.7", "0.8", "0.9"}


def test_the_demos_plan_says_where_its_rates_are_from(demo):
    for stage in demo["stages"]:
        for rate in stage["throughputs"].values():
            assert rate["source"] == "catalogue" and rate["low"] <= rate["value"] <= rate["high"]
    assert demo["gpu"]["id"] == "demo-cpu" and demo["cap"] is None
    assert demo["metrics"]["cap_share"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert demo["frontier"][0] == {"budget": 0.003, "affordable": False}


def test_optional_work_is_kept_in_the_order_of_the_configuration(tmp_path):
    config = shipped(REFERENCE)
    config["budget"]["optional"] = ["seeds", "hyperparameters", "pair_sets"]
    plan = make_plan(config, tmp_path)
    kinds = [stage["optional"] for stage in plan["stages"] if stage["optional"]]
    assert kinds == ["pair_sets", "hyperparameters"]


def test_a_cap_and_a_price_of_ones_own(tmp_path):
    plan = make_plan(merged(shipped(), {"budget": {"price": 1.0, "cap": 0.05}}), tmp_path)
    assert plan["gpu"]["dollars_per_hour"] == 1.0
    prices = {entry["gpu"]: entry["dollars_per_hour"] for entry in plan["gpus"]}
    assert prices["demo-cpu"] == 1.0 and prices["h100-80gb"] == 2.69  # of no other GPU
    spent = plan["metrics"]["projected_dollars"]
    assert plan["metrics"]["cap_share"]["high"] == pytest.approx(spent["high"] / 0.05, rel=1e-3)
    assert all(entry["over_cap"] == (entry["dollars"]["high"] > 0.05) for entry in plan["gpus"])


def test_the_figure_stands_alone_and_is_told_in_words(reference, tmp_path):
    make_plan(shipped(REFERENCE), tmp_path)
    root = ElementTree.fromstring((tmp_path / "frontier.svg").read_text())
    words = root.findtext("{http://www.w3.org/2000/svg}desc")
    assert "A100 80GB: " in words and "dominated" in words and "$300: baseline, SFT and DPO" in words


def test_two_plans_of_one_configuration_are_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_plan(shipped(), tmp_path / name)
    for file in ("plan.json", "frontier.svg"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def measured_run(directory):
    """Benchmarks of a run of the demo's sizes: every job takes 8 s to start, and its work on top."""
    sizes = {"evaluation": 1000, "dev_evaluation": 600}
    for shard in range(6):
        more = {"wildcards": {"shard": f"{shard:03d}"}, "params": {"size": 250}}
        write_benchmark(directory, "generate_shard", 8 + 10, **more)
    for evaluation, items in sizes.items():
        more = {"wildcards": {"evaluation": evaluation, "arm": "sft"}}
        write_benchmark(directory, "respond", 8 + items / 100, **more)
    write_benchmark(directory, "train_sft", 8 + 20)
    write_benchmark(directory, "gate_sft", 0.1)
    return sorted(directory.glob("*.jsonl"))


def test_measured_rates_take_the_place_of_the_catalogues(tmp_path, demo):
    config = merged(shipped(), {"budget": {"overheads": {"job_seconds": {"low": 8, "high": 8}}}})
    config["generation"] |= {"shards": 6, "shards_per_load": 1}
    config["evaluation"].pop("repeats", None)
    plan = make_plan(config, tmp_path, benchmarks=measured_run(tmp_path))
    stages = {stage["stage"]: stage for stage in plan["stages"]}
    sources = {
        name: {rate["source"] for rate in stage["throughputs"].values()} for name, stage in stages.items()
    }
    assert sources["sft_data"] == sources["evaluation"] == sources["sft"] == {"measured"}
    assert sources["control_sft_longer"] == {"measured"} and sources["dpo"] == {"catalogue"}
    assert "6 jobs of an earlier run" in stages["sft_data"]["throughputs"]["measured"]["method"]
    # 1,620 records at 250 in 10 s and seven starts, 3,200 answers at 100 a second and four starts.
    middle = {name: (s["hours"]["low"] * s["hours"]["high"]) ** 0.5 * 3600 for name, s in stages.items()}
    assert middle["sft_data"] == pytest.approx(1620 / 25 + 7 * 8, rel=0.02)
    assert middle["evaluation"] == pytest.approx(3200 / 100 + 4 * 8, rel=0.02)
    assert middle["sft"] == pytest.approx(20 + 2 * 8, rel=0.1)


def test_measured_rates_are_carried_over_by_the_catalogues_ratio(tmp_path):
    """The demo's rates for a model twice the size, and for another GPU."""
    config = merged(shipped(), {"budget": {"overheads": {"job_seconds": {"low": 8, "high": 8}}}})
    files = measured_run(tmp_path)
    same = make_plan(config, tmp_path, benchmarks=files)
    config["budget"]["benchmarks"] = {
        "directory": str(tmp_path),
        "gpu": "demo-cpu",
        "parameters": 2 * 1_772_480,
    }
    smaller = make_plan(config, tmp_path, benchmarks=files)
    own, other = (
        {stage["stage"]: stage["throughputs"] for stage in plan["stages"]}["sft_data"]["measured"]
        for plan in (same, smaller)
    )
    assert other["value"] == pytest.approx(2 * own["value"], rel=0.01) and other["source"] == "scaled"
    assert own["method"] == "measured: 6 jobs of an earlier run"
    assert other["method"] == own["method"] + ", x 2 (the catalogue's ratio for this mix of work)"
    hours = {entry["gpu"]: entry["hours"]["high"] for entry in same["gpus"]}
    assert hours["h100-80gb"] < hours["demo-cpu"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"rule_name": "train_sft", "s": 12', "line 1: this benchmark file is cut short"),
        ("", "line 1: this benchmark file is cut short"),
        ("[1]\n", "s: this benchmark file is cut short or not an extended one"),
        ('{"s": 12.0}\n', "not an extended one"),
        ('{"rule_name": "train_sft", "s": 0}\n', "s = 0: a job takes more than 0 seconds"),
        ('{"rule_name": "train_sft", "s": "1"}\n', "s = '1'"),
    ],
)
def test_a_benchmark_file_that_is_cut_short_is_refused(tmp_path, capsys, content, named):
    path = tmp_path / "train_sft.jsonl"
    path.write_text(content)
    assert named in refusal(shipped(), tmp_path, capsys, benchmarks=[path])


def refusal(config, directory, capsys, **options):
    """The one line of an error that ends the command, which leaves nothing behind."""
    with pytest.raises(SystemExit) as ended:
        make_plan(config, directory, **options)
    assert ended.value.code == 1 and not list(directory.glob("*plan.json*"))
    [line] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
    return line


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"price": 0}, "budget.price = 0: give dollars above 0, or null"),
        ({"price": -1}, "budget.price = -1"),
        ({"cap": -5}, "budget.cap = -5: give dollars above 0, or null"),
        ({"gpu": "h300"}, "budget.gpu = 'h300': config/gpus.yaml has h100-80gb"),
        ({"optional": ["seeds", "seeds", "pair_sets"]}, "budget.optional = "),
        ({"precision": {"generation": "int3"}}, "precision = 'int3'"),
        ({"estimates": {"accepted": {"low": 0.5, "high": 1.5}}}, "estimates.accepted = "),
        ({"estimates": {"paired": {"low": 0.5, "high": 0.4}}}, "low is above high"),
        ({"overheads": {"job_seconds": {"low": -1, "high": 4}}}, "overheads.job_seconds = "),
        ({"session_hours": {"low": 40, "high": 35}}, "budget.session_hours = "),
    ],
)
def test_a_wrong_setting_is_refused(tmp_path, capsys, changes, named):
    assert named in refusal(merged(shipped(), {"budget": changes}), tmp_path, capsys)


def test_a_gpu_that_is_too_small_is_refused(tmp_path, capsys):
    config = merged(shipped(REFERENCE), {"budget": {"gpu": "rtx-a6000-48gb"}})
    line = refusal(config, tmp_path, capsys)
    assert "budget.gpu = \"rtx-a6000-48gb {'generation': 'bfloat16'" in line and "does not fit" in line


def test_a_hub_model_without_its_sizes_is_refused(tmp_path, capsys):
    config = shipped(REFERENCE)
    config["budget"]["model"] = None
    assert "budget.model: the model is not on this machine" in refusal(config, tmp_path, capsys)


def test_a_wrong_catalogue_is_refused(tmp_path, capsys):
    content = yaml.safe_load(Path(CATALOGUE).read_text())
    content["gpus"]["demo-cpu"]["dollars_per_hour"] = 0
    path = tmp_path / "gpus.yaml"
    path.write_text(yaml.safe_dump(content))
    line = refusal(shipped(), tmp_path, capsys, catalogue=path)
    assert f"{path}: gpus.demo-cpu.dollars_per_hour = 0" in line


def test_the_page_shows_the_arithmetic(reference, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps(reference))
    plan_page.main(["--plan", str(tmp_path / "plan.json"), "--page", str(tmp_path / "page.md")])
    text = (tmp_path / "page.md").read_text()
    assert "| **pairs** | 100 k to 140 k candidates |" in text
    assert (
        "| training_tokens | 2.22 M to 5.02 M | 1 k to 1.75 k a second (catalogue) | 0.352 to 1.39 |" in text
    )
    for stage in reference["stages"]:
        assert f"**{stage['stage']}**" in text


def test_the_page_that_is_kept_is_that_of_the_plan(reference):
    """The page was written from this plan; it may lag behind a change of a prompt, not behind a real one."""
    text = (ROOT / "docs/budget_300.md").read_text()
    total = next(line for line in text.splitlines() if line.startswith("| **total: all**"))
    written = float(total.split(" to ")[-1].rstrip(" |"))
    assert written == pytest.approx(reference["total"]["all"]["dollars"]["high"], rel=0.1)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"stage": "other"}'])
def test_a_file_that_is_no_plan_has_no_page(tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "plan.json").write_text(content)
    with pytest.raises(SystemExit):
        plan_page.main(["--plan", str(tmp_path / "plan.json"), "--page", str(tmp_path / "page.md")])
    assert "plan.json" in capsys.readouterr().err and not (tmp_path / "page.md").exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gpu": "h300"}, "budget.gpu = 'h300': the catalogue has h100-80gb"),
        ({"catalogue": "config/absent.yaml"}, "budget.catalogue = 'config/absent.yaml'"),
        ({"cap": -1}, "budget.cap = -1"),
        ({"price": 0}, "budget.price = 0"),
        ({"cap": "300"}, "this is text, give a number"),
        ({"session_hours": {"low": 40, "high": 35}}, "low is above high"),
        ({"benchmarks": {"directory": "config", "gpu": "demo-cpu"}}, "no benchmark file"),
        ({"benchmarks": {"directory": "config", "gpu": "cpu"}}, "benchmarks.gpu = 'cpu'"),
    ],
)
def test_a_wrong_budget_is_refused_before_any_job(changes, named):
    with pytest.raises(InputError) as refused:
        check_config(merged(shipped(), {"budget": changes}), ROOT)
    assert named in str(refused.value)


SNAKEFILE = """
import sys
sys.path.insert(0, workflow.basedir)
configfile: "config/config.yaml"
include: "rules/common.smk"
include: "rules/accounting.smk"
include: "rules/base_model.smk"
include: "rules/budget.smk"
rule all:
    default_target: True
    input: "<results>/budget/plan.json", "<results>/budget/frontier.svg"
"""


MODEL_RULES = re.compile(
    r"(base_model|contamination_guard|sentinels|critic_calibration|pilot|generate_shard|sample_candidates"
    r"|respond|respond_again|train_\w+|merge_\w+) +(\d+)"
)


def test_the_plan_counts_the_jobs_that_the_workflow_has(tmp_path, demo):
    """A rule that is added to the workflow and loads a model must be added to the plan."""
    places = json.dumps({name: str(tmp_path / name) for name in ("results", "logs", "benchmarks", "reports")})
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "--nolock"]
    ran = subprocess.run(
        [*command, "--config", f"pathvars={places}"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    statistics = ran.stdout.split("Job stats:")[1].split("total")[0]
    counts = dict(MODEL_RULES.findall(statistics))
    assert {"respond", "respond_again", "sentinels", "train_sft_longer"} <= counts.keys()
    planned = Counter(name.partition(" ")[0] for name in demo["jobs"])
    loads_none = {"base_model", "contamination_guard", "merge_sft", "merge_sft_longer", "merge_dpo"}
    assert planned == {rule: int(count) for rule, count in counts.items() if rule not in loads_none}
    # A model that is loaded for several shards is one job; the others of its block only move a file.
    config = shipped()
    moved = sum(
        stage["shards"] - ceil(stage["shards"] / stage["shards_per_load"])
        for stage in (config["generation"], config["preferences"])
    )
    assert sum(map(int, counts.values())) - moved == sum(stage["jobs"] for stage in demo["stages"])


@pytest.mark.parametrize("overlay", [None, REFERENCE])
def test_the_rule_makes_the_plan_and_nothing_else(tmp_path, overlay, demo, reference):
    for name in ("config", "envs", "resources", "rules", "workflow_scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    command += ["--configfile", "config/config.yaml", *([overlay] if overlay else [])]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads((tmp_path / "results/budget/plan.json").read_text()) == (reference if overlay else demo)
    assert (tmp_path / "results/budget/frontier.svg").read_text().startswith("<svg")
    assert "2 of 2 steps (100%) done" in ran.stderr
