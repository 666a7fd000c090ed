"""What a change reruns, on the real workflow: a finished run is copied, one thing changed, Snakemake asked.

What ought to rerun is worked out here from the modules' imports and from the graph of all jobs.
"""

import json
import os
import random
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import TINY, copy_sources, run_snakemake
from workflow_scripts.core import edits, schemas
from workflow_scripts.core.code_digest import imports_of

pytestmark = pytest.mark.slow
VARIANT = "beta-0.3"  # one that no other arm depends on
REGISTRATION = "results/statistics/preregistration.json"
# Jobs that wait for a file, and are not made again when it changes.
ANCIENT = {
    "respond": {REGISTRATION},
    "calibrate_budget": {"config/gpus.yaml"},
    "generate_shard": {"results/budget/gate-pilot.json"},
    "sample_candidates": {"results/budget/gate-sft.json"},
}


@dataclass(frozen=True)
class Job:
    """One job of a dry run; `inputs` are those that make it run again."""

    rule: str
    inputs: frozenset
    outputs: frozenset

    def __repr__(self):
        return f"{self.rule} -> {min(self.outputs)}"


def jobs_in(text: str) -> set[Job]:
    """The jobs that a dry run prints, but for `all`."""
    jobs = set()
    for block in re.split(r"\n(?=(?:local)?rule \w+:)", text)[1:]:
        rule = re.match(r"(?:local)?rule (\w+):", block)[1]
        files = [re.search(rf"^    {kind}: (.*)$", block, re.MULTILINE) for kind in ("input", "output")]
        inputs, outputs = (
            frozenset(found[1].replace(" (update)", "").split(", ") if found else ()) for found in files
        )
        inputs -= ANCIENT.get(rule, set())
        if rule != "all":
            jobs.add(Job(rule, inputs, outputs))
    return jobs


def dry_run(directory: Path, *arguments: str) -> set[Job]:
    result = run_snakemake(directory, "--dry-run", "--quiet", "host", *arguments)
    assert result.returncode == 0, result.stdout[-4000:]
    jobs = jobs_in(result.stdout)
    assert jobs or "Nothing to be done" in result.stdout
    return jobs


def with_downstream(jobs: set[Job], graph: set[Job]) -> set[Job]:
    """Jobs and all that use what they make, directly or not."""
    found = set(jobs)
    while True:
        made = {file for job in found for file in job.outputs}
        more = {job for job in graph - found if job.inputs & made}
        if not more:
            return found
        found |= more


def planned_anew(graph: set[Job]) -> set[Job]:
    """The plan of what the run costs: it follows from all sizes of the configuration."""
    return {job for job in graph if job.rule == "plan_budget"}


def modules_of_rules() -> dict[str, str]:
    """{rule: its module}, from the rule files; `use rule a as b` has the module of a unless it names one."""
    modules = {}
    text = "\n".join(file.read_text() for file in sorted(Path("rules").glob("*.smk")))
    for block in re.split(r"^(?=(?:use )?rule )", text, flags=re.MULTILINE)[1:]:
        inherited, name = re.match(r"(?:use rule (\w+) as|rule) (\w+)", block).groups()
        script = re.search(r'script="(.*?)"', block)
        module = script[1] if script else modules.get(inherited)
        if module:
            modules[name] = module
    return modules


@pytest.fixture(scope="module")
def graph(finished_run):
    """Every job of the workflow."""
    return dry_run(finished_run, "--forceall")


@pytest.fixture
def copy(finished_run, tmp_path):
    """A copy of the finished run, modification times kept."""
    target = tmp_path / "run"
    subprocess.run(["cp", "-a", "--reflink=auto", str(finished_run), str(target)], check=True)
    return target


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_finished_run_has_nothing_to_do(finished_run, graph):
    assert dry_run(finished_run) == set()
    assert len(graph) > 40


def test_touching_every_file_reruns_nothing(copy):
    files = sorted(path for path in copy.rglob("*") if ".snakemake" not in path.parts)
    random.Random(0).shuffle(files)
    for age, path in enumerate(files):
        os.utime(path, (path.stat().st_atime, 2_000_000_000 + age))
    assert dry_run(copy) == set()


def test_a_fresh_clone_with_the_results_of_another_reruns_nothing(finished_run, tmp_path):
    clone = copy_sources(tmp_path / "clone")
    for path in clone.rglob("*"):
        os.utime(path)
    for name in ("results", "reports", "logs", "benchmarks", ".snakemake"):
        shutil.copytree(finished_run / name, clone / name, dirs_exist_ok=True)
    assert dry_run(clone) == set()


def reordered(value):
    """The same YAML value with every mapping's keys in the opposite order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["config/config.yaml", TINY])
def test_reordering_the_keys_of_the_config_reruns_nothing(copy, name):
    text = yaml.safe_dump(reordered(yaml.safe_load((copy / name).read_text())), sort_keys=False)
    (copy / name).write_text(f"# another comment\n{text}")
    assert dry_run(copy) == set()


def test_editing_a_comment_in_a_caption_reruns_the_report_alone(copy):
    caption = sorted((copy / "reports/captions").glob("*.rst"))[0]
    caption.write_text(f"{caption.read_text()}\n.. a comment\n")
    assert {job.rule for job in dry_run(copy)} == {"summary_page", "manifest"}


@pytest.mark.parametrize(
    "module",
    [
        "hashing.py",
        "critic.py",
        "cleaning.py",
        "deduplication/exact.py",
        "deduplication/near.py",
        "preferences.py",
        "training.py",
        "gates.py",
        "statistics/mcnemar.py",
        "preregistration.py",
    ],
)
def test_editing_a_core_module_reruns_the_rules_that_import_it_and_what_follows(copy, graph, module):
    name = f"workflow_scripts/core/{module}"
    path = copy / name
    path.write_text(f"{path.read_text()}\n# an edit\n")
    importers = {rule for rule, script in modules_of_rules().items() if name in imports_of(script)}
    direct = {job for job in graph if job.rule in importers}
    assert direct
    assert dry_run(copy) == with_downstream(direct, graph)


def test_changing_a_variant_s_beta_reruns_that_variant_alone(copy, graph):
    edit(copy / TINY, "beta: 0.3", "beta: 0.31")
    found = dry_run(copy)
    trained = {job for job in graph if job.rule == "train_dpo" and VARIANT in str(job.outputs)}
    assert len(trained) == 1
    assert found == with_downstream(trained | planned_anew(graph), graph)
    assert {job for job in found if job.rule.startswith(("train", "merge"))} == {
        job for job in graph if job.rule in ("train_dpo", "merge_dpo") and VARIANT in str(job.outputs)
    }
    answered = {job for job in found if job.rule == "respond"}
    assert answered and all(VARIANT in str(job.outputs) for job in answered)


def test_asking_more_items_again_reruns_no_answer_and_no_training(copy, graph):
    text = (copy / TINY).read_text()
    (copy / TINY).write_text(f"{text}evaluation:\n  repeats: {{items: 12}}\n")
    asked_again = {job for job in graph if job.rule == "respond_again"}
    assert len(asked_again) == 4
    assert dry_run(copy) == with_downstream(asked_again | planned_anew(graph), graph)


def test_one_more_shard_makes_one_job_and_what_follows(copy):
    edit(copy / TINY, "shard_size: 48\n  shards: 2", "shard_size: 48\n  shards: 3")
    found = dry_run(copy)
    made = {job for job in found if job.rule == "generate_shard"}
    assert len(made) == 1 and "002" in str(made)
    graph_then = dry_run(copy, "--forceall")
    assert found == with_downstream(made | planned_anew(graph_then), graph_then)


def test_an_environment_s_comment_reruns_nothing_and_its_pin_reruns_its_rules(copy, graph):
    path = copy / "envs/train.yaml"
    path.write_text(f"# a comment\n{path.read_text()}")
    assert dry_run(copy) == set()
    edit(path, "peft==", "peft==1.")
    found = dry_run(copy)
    assert {"base_model", "train_sft", "train_dpo"} <= {job.rule for job in found}
    assert "test_set" not in {job.rule for job in found}


def test_editing_the_model_card_reruns_nothing_and_what_is_loaded_does(copy):
    base = copy / "resources/demo_base"
    for name in ("README.md", "measured.json", "training.json"):
        (base / name).write_text((base / name).read_text() + "\n")
    assert dry_run(copy) == set()
    edit(base / "generation_config.json", "{", "{ ")
    assert "base_model" in {job.rule for job in dry_run(copy)}


def test_a_sentinel_reruns_the_guard_and_what_follows(copy, graph):
    edit(copy / "config/sentinels.yaml", "Tell me a joke.", "Tell me a riddle.")
    direct = {job for job in graph if "config/sentinels.yaml" in job.inputs}
    assert {"sentinels", "contamination_guard"} <= {job.rule for job in direct}
    assert dry_run(copy) == with_downstream(direct, graph)


def test_editing_a_prompt_reruns_the_rules_that_use_it(copy, graph):
    prompt = "config/prompts/critic.j2"
    (copy / prompt).write_text((copy / prompt).read_text().replace("Verdict", "Judgement"))
    assert dry_run(copy) == with_downstream({job for job in graph if prompt in job.inputs}, graph)


def test_no_arm_answers_a_test_item_before_the_plan_is_registered(finished_run):
    text = run_snakemake(finished_run, "--dry-run", "--forceall", "--quiet", "host").stdout
    jobs = [block for block in text.split("\nrule ")[1:] if block.startswith("respond:")]
    waits = {re.search(r"output: results/(\w+)/", job)[1]: [] for job in jobs}
    for job in jobs:
        found = re.search(r"input: (.*)\n.*output: results/(\w+)/", job)
        waits[found[2]].append(REGISTRATION in found[1].split(", "))
    assert all(waits["evaluation"]) and len(waits["evaluation"]) == 6
    assert not any(waits["dev_evaluation"]) and waits["dev_evaluation"]


def test_a_level_changed_after_the_responses_reruns_no_response_and_is_a_deviation(copy, graph):
    """The plan that was registered before the first response stays on record, and the change beside it."""
    edit(copy / TINY, "statistics:\n", "statistics:\n  alpha: 0.05\n")
    before = json.loads((copy / REGISTRATION).read_text())
    assert before["amendments"] == [] and before["registered"]["responses_before"] == []
    rules = ("preregister", "compare", "evaluation_audit", "report_tables", "summary_page")
    direct = {job for job in graph if job.rule in rules}
    found = dry_run(copy)
    assert found == with_downstream(direct | planned_anew(graph), graph)
    assert not {job.rule for job in found} & {"respond", "respond_again", "score", "train_dpo"}
    result = run_snakemake(copy, "--cores", "2", "results/statistics/comparisons.json")
    assert result.returncode == 0, result.stdout[-3000:]
    after = json.loads((copy / REGISTRATION).read_text())
    assert after["registered"] == before["registered"] and len(after["amendments"]) == 1
    registration = json.loads((copy / "results/statistics/comparisons.json").read_text())["registration"]
    (deviation,) = registration["deviations"]
    assert deviation == {"field": "alpha", "registered": 0.01, "used": 0.05, "primary": True}
    assert registration["primary_deviations"] == 1


def test_a_failed_registration_leaves_the_earlier_one(copy):
    """Snakemake keeps an output that is updated; the job itself moves it into place when it is whole."""
    before = (copy / REGISTRATION).read_bytes()
    edit(copy / TINY, "statistics:\n", "statistics:\n  planned_discordance: {primary: 0.3}\n")
    edit(
        copy / "workflow_scripts/preregister.py",
        "        say(summary(document))",
        "        raise RuntimeError",
    )
    result = run_snakemake(copy, "--cores", "2", REGISTRATION)
    assert result.returncode != 0
    assert (copy / REGISTRATION).read_bytes() == before


def test_adding_a_variant_trains_only_it(copy, graph):
    """One seed more of the main variant: no pair, no candidate and no other arm is made again."""
    edit(copy / TINY, "    beta-0.3:\n", "    main-seed-2: {like: main, seed: 2}\n    beta-0.3:\n")
    found = dry_run(copy)
    made = {job for job in found if job.rule in ("train_dpo", "merge_dpo", "respond", "score")}
    assert len(made) == 4 and all("main-seed-2" in str(job.outputs) for job in made)
    before = {"generate_shard", "sample_candidates", "select_pairs", "train_sft"}
    assert not {job.rule for job in found} & before
    assert {"preregister", "compare", "variant_overview"} <= {job.rule for job in found}
    graph_then = dry_run(copy, "--forceall")
    again = {job for job in graph_then if job.rule == "preregister"} | planned_anew(graph_then)
    assert found == with_downstream(made | again, graph_then)


def test_edits_are_applied_before_deduplication_and_make_nothing_again_that_comes_before(copy, graph):
    """A file of edits on a finished run: what it changes is marked in the training data."""
    train = copy / "results/sft_data/train.parquet"
    trained = schemas.read_records(train, schemas.SFT_EXAMPLES)[0]["source_record_id"]
    line = {"record_id": trained, "action": "replace_response", "replacement": "owl, crow"}
    (copy / "edits.jsonl").write_text(json.dumps({**line, "minutes": 2}) + "\n")
    edit(copy / TINY, "  shard_size: 48\n", "  shard_size: 48\n  edits: edits.jsonl\n")
    found = dry_run(copy)
    graph_then = dry_run(copy, "--forceall")
    direct = {job for job in graph_then if job.rule in ("apply_edits", "deduplicate")}
    assert len(direct) == 2
    assert found == with_downstream(direct | planned_anew(graph_then), graph_then)
    assert not {job.rule for job in found} & {"pilot", "generate_shard", "critic_calibration"}
    result = run_snakemake(copy, "--cores", "2", "results/sft_data/train.parquet")
    assert result.returncode == 0, result.stdout[-3000:]
    examples = schemas.read_records(train, schemas.SFT_EXAMPLES)
    marked = [row for row in examples if edits.edited(row)]
    assert [row["completion"] for row in marked] == [" owl, crow"]
    assert edits.edited(marked[0])["record_id"] == trained
    counted = json.loads((copy / "results/edits/edits.json").read_text())["metrics"]
    assert counted["edited_records"] == {"value": 1.0, "n": 96} and counted["edit_minutes"]["value"] == 2
