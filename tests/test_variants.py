"""DPO variants as configuration: completed from another, described, compared with the main one, priced."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from workflow_scripts import variant_overview
from workflow_scripts.core import ablations, preferences, variants
from workflow_scripts.core.budget.cost_page import variant_table
from workflow_scripts.core.errors import InputError

MAIN = {"pair_set": "best-of-4", "beta": 0.1, "seed": None, "lora": {"rank": 16, "alpha": 32}}
SETS = {"best-of-4": {"candidates": 4, "min_margin": 0.5}, "best-of-2": {"candidates": 2, "min_margin": 0.5}}
OVERLAY = "config/ablations.yaml"


def test_a_variant_that_is_like_another_has_all_its_keys_but_its_own():
    given = {
        "main": MAIN,
        "beta-0.3": {"like": "main", "beta": 0.3},
        "small": {"lora": {"rank": 4}, "like": "main"},
    }
    before = copy.deepcopy(given)
    full = variants.completed(given)
    assert given == before
    assert full["main"] == MAIN
    assert full["beta-0.3"] == {**MAIN, "beta": 0.3}
    assert full["small"] == {**MAIN, "lora": {"rank": 4, "alpha": 32}}
    assert variants.completed(full) == full


def test_what_is_no_mapping_is_left_for_the_schema():
    assert variants.completed({"main": MAIN, "beta": None})["beta"] is None


@pytest.mark.parametrize("model", ["mian", "beta-0.3", "self"])
def test_a_variant_is_like_one_that_states_all_its_keys(model):
    given = {"main": MAIN, "beta-0.3": {"like": "main"}, "self": {"like": model}}
    with pytest.raises(InputError) as refused:
        variants.completed(given)
    assert str(refused.value) == (
        f"config: dpo.variants.self.like = '{model}': name a variant that states all its keys: main"
    )


@pytest.mark.parametrize(
    ("changes", "kind", "fields"),
    [
        ({}, "main", []),
        ({"beta": 0.3}, "hyperparameters", ["beta"]),
        ({"seed": 2}, "seeds", ["seed"]),
        ({"seed": 2, "beta": 0.3}, "hyperparameters", ["beta", "seed"]),
        ({"pair_set": "best-of-2", "seed": 2}, "pair_sets", ["pair_set", "seed"]),
        ({"lora": {"rank": 4, "alpha": 32}}, "hyperparameters", ["lora.rank"]),
    ],
)
def test_what_a_variant_varies(changes, kind, fields):
    variant = {**MAIN, **changes}
    assert variants.kind(MAIN, variant) == kind
    assert [entry["field"] for entry in variants.varied(MAIN, variant)] == fields


def test_the_first_two_of_four_candidates_are_the_pool_of_a_best_of_two():
    """The pairs of best-of-2 are those that sampling two candidates would have given."""
    pool = [
        {
            "record_id": f"{name}-{number}",
            **{"seed": number, "prompt_sha256": "", "provenance": "{}", "usable": True},
            **{"instruction_id": name, "instruction": name, "prompt": name, "candidate": number},
            **{"response": f"{name}{number}", "verdict_margin": (7 * number + ord(name)) % 5 - 2.0},
        }
        for name in "abcdefgh"
        for number in range(4)
    ]
    of_four = preferences.select_pairs(pool, 2, 0.5)
    of_two = preferences.select_pairs([row for row in pool if row["candidate"] < 2], 2, 0.5)
    assert of_four == of_two and 0 < len(of_two)
    assert of_four != preferences.select_pairs(pool, 4, 0.5)


def dry_run(tmp_path, *overlays):
    """(jobs, {variant: settings of its training}) that a dry run of the demo with overlays names."""
    places = ("results", "logs", "benchmarks", "reports")
    redirected = ", ".join(f"{name}: {tmp_path}/{name}" for name in places)
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--dry-run"]
    command += ["--printshellcmds", "--quiet", "host", "--nolock"]
    command += ["--configfile", "config/config.yaml", *overlays, "--config", f"pathvars={{{redirected}}}"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    text = run.stdout + run.stderr
    outputs = re.findall(rf"^    output: {tmp_path}/results/(\S+?)(?:,|$| )", text, re.MULTILINE)
    found = re.findall(
        r"workflow_scripts\.train_dpo --settings '(\{.*?\})' .*?dpo/([^/]+)/adapter_model", text
    )
    return set(outputs), {name: json.loads(settings) for settings, name in found}


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The jobs of the demo, and those with the ablations."""
    place = tmp_path_factory.mktemp("dry")
    return dry_run(place), dry_run(place, OVERLAY)


def test_ablations_add_their_trainings_and_answers_and_no_generation(planned):
    (base, _), (ablated, trainings) = planned
    assert base < ablated and trainings.keys() == {"main", "beta-0.3", "best-of-2", "main-seed-2"}
    names = ("beta-0.3", "best-of-2", "main-seed-2")
    added = {"preferences/best-of-2/pairs.parquet", "preferences/best-of-2/audit.json"}
    added |= {"gates/pairs-best-of-2.json"}
    for name in names:
        added |= {f"models/dpo/{name}/adapter_model.safetensors", f"models/dpo-{name}-merged"}
        added |= {f"evaluation/dpo-{name}/{part}.parquet" for part in ("responses", "scores")}
    assert ablated - base == added


def test_a_variant_differs_from_the_main_one_in_what_it_states_alone(planned):
    trainings = planned[1][1]
    main = trainings.pop("main")
    assert main == planned[0][1]["main"], "an ablation changes nothing of the main variant"
    assert main["seed"] == 1 and "seed" not in main["dpo"]
    different = {
        name: {key for key in main if settings[key] != main[key]}
        | {key for key in main["dpo"] if settings["dpo"][key] != main["dpo"][key]}
        for name, settings in trainings.items()
    }
    assert different == {
        "beta-0.3": {"dpo", "beta"},
        "best-of-2": {"dpo", "pair_set"},
        "main-seed-2": {"seed"},
    }
    assert trainings["main-seed-2"]["seed"] == 2 and trainings["beta-0.3"]["dpo"]["beta"] == 0.3


def entry(baseline, candidate, value, adjusted_p):
    """A comparison as `compare` writes it."""
    rate = {"estimate": 0.6 + value, "low": 0.55, "high": 0.75}
    return {
        **{"baseline": baseline, "candidate": candidate, "scope": "overall", "n": 100, "level": 0.01},
        **{"only_baseline": 5, "only_candidate": 9, "candidate_rate": rate, "significant": adjusted_p < 0.01},
        "difference": {"estimate": value, "newcombe": [value - 0.1, value + 0.1]},
        "mcnemar": {"mid_p": adjusted_p / 2},
        **{"adjusted_p": adjusted_p, "minimum_detectable_effect": 0.12},
    }


@pytest.fixture
def files(tmp_path):
    """The command line of the overview over three variants, and where it writes."""
    given = {"main": MAIN, "beta-0.3": {"like": "main", "beta": 0.3}}
    given["best-of-2"] = {"like": "main", "pair_set": "best-of-2"}
    settings = {"main": "main", "variants": variants.completed(given), "sets": SETS}
    comparisons = [
        entry("sft", "dpo-main", 0.05, 0.02),
        *[entry("sft", f"dpo-{name}", 0.03, 0.4) for name in ("beta-0.3", "best-of-2")],
        *[entry("dpo-main", f"dpo-{name}", -0.02, 0.8) for name in ("beta-0.3", "best-of-2")],
    ]
    document = tmp_path / "comparisons.json"
    document.write_text(json.dumps({"confidence": 0.95, "comparisons": comparisons}))
    trainings = []
    for place, name in enumerate(sorted(given)):
        trainings.append(tmp_path / name / "training.json")
        trainings[-1].parent.mkdir()
        counted = {"examples": 100 + place, "steps": 7, "tokens_seen": 900, "best_dev_success": 0.6}
        trainings[-1].write_text(json.dumps(counted))
    words = ["--settings", json.dumps(settings), "--comparisons", str(document)]
    target = tmp_path / "statistics/variants.json"
    return [*words, "--training-reports", *map(str, trainings), "--overview", str(target)], target


def test_the_overview_has_each_variant_with_its_training_and_its_difference_to_the_main_one(files):
    words, target = files
    variant_overview.main(words)
    content = json.loads(target.read_text())
    main, two, beta = content["variants"]
    assert [row["arm"] for row in content["variants"]] == ["dpo-main", "dpo-best-of-2", "dpo-beta-0.3"]
    assert (main["kind"], two["kind"], beta["kind"]) == ("main", "pair_sets", "hyperparameters")
    assert main["against_main"] is None and main["varies"] == []
    assert beta["varies"] == [{"field": "beta", "main": 0.1, "variant": 0.3}]
    assert (two["candidates"], two["pairs"], main["pairs"]) == (2, 100, 102)
    found = beta["against_main"]
    assert found["difference"] == pytest.approx({"value": -0.02, "low": -0.12, "high": 0.08, "n": 100})
    assert (found["adjusted_p"], found["significant"], found["only_candidate"]) == (0.8, False, 9)
    assert main["success"]["value"] == pytest.approx(0.65) and main["against_sft"]["adjusted_p"] == 0.02


def test_an_arm_that_was_not_compared_and_a_variant_that_was_not_trained_are_refused(files, capsys):
    words, target = files
    place = words.index("--overview")
    for changed, named in (
        ([*words[: place - 1], *words[place:]], "main.: this variant has no training record"),
        (["--settings", words[1].replace("best-of-2", "best-of-3"), *words[2:]], "no training record"),
    ):
        with pytest.raises(SystemExit):
            variant_overview.main(changed)
        assert re.search(named, capsys.readouterr().err) and not target.exists()
    document = Path(words[words.index("--comparisons") + 1])
    document.write_text(document.read_text().replace('"sft"', '"sft-longer"'))
    with pytest.raises(SystemExit):
        variant_overview.main(words)
    assert "comparisons = ['sft', 'dpo-main']: these two arms were not compared" in capsys.readouterr().err


def test_what_a_variant_used_is_its_training_and_its_answers(files):
    used = {"gpu_seconds": 10.0, "dollars": 0.01}
    jobs = ("train_dpo main", "train_dpo beta-0.3", "respond evaluation/dpo-beta-0.3", "train_sft")
    jobs += ("respond evaluation/dpo-main", "respond dev_evaluation/dpo-main", "respond_again dpo-main/same")
    by_job = {name: used for name in (*jobs, "respond evaluation/dpo-beta-0.35", "generate_shard 000")}
    assert ablations.variant_use(by_job, "beta-0.3") == {"gpu_seconds": 20.0, "dollars": 0.02, "jobs": 2}
    assert ablations.variant_use(by_job, "main")["jobs"] == 4
    words, target = files
    variant_overview.main(words)
    table = variant_table(json.loads(target.read_text()), {"by_job": by_job})
    rows = list(table["rows"].values())
    assert [row[0] for row in rows] == ["dpo-main", "dpo-best-of-2", "dpo-beta-0.3"]
    assert rows[2][1:6] == ("beta", "63.0 %", "-2.0 pp", "20", "0.02")
    assert rows[1][4:] == ("0", "0", "0")


def test_the_overlay_states_only_what_differs():
    overlay = yaml.safe_load(Path(OVERLAY).read_text())
    assert all(entry["like"] == "main" and len(entry) == 2 for entry in overlay["dpo"]["variants"].values())
