"""profiles/slurm asks for what each kind of rule needs, and names no rule that does not exist."""

import re
from pathlib import Path

import yaml

from tests.test_environments import RULE_FILES, RULES

PROFILE = yaml.safe_load(Path("profiles/slurm/config.yaml").read_text())


def rules_with_a_gpu():
    """Rules of the workflow that ask for a GPU, themselves or by the rule that they are made from."""
    included = Path("Snakefile").read_text()
    files = [file for file in RULE_FILES if f'include: "{file}"' in included]
    text = "\n".join(file.read_text() for file in files)
    asks, parents = {}, {}
    for block in re.split(r"^(?=(?:use )?rule )", text, flags=re.MULTILINE)[1:]:
        rule = re.match(r"(?:use rule \w+ as|rule) (\w+)", block)[1]
        asks[rule], parents[rule] = bool(re.search(r"^\s+gpu=1,$", block, re.MULTILINE)), block.split()[2]

    def asks_for_one(rule):
        return rule in asks and (asks[rule] or (parents[rule] != rule and asks_for_one(parents[rule])))

    return {rule for rule in asks if asks_for_one(rule)}


def test_each_rule_with_a_gpu_has_a_time_memory_and_processors_of_its_own():
    asked = PROFILE["set-resources"]
    with_gpu = rules_with_a_gpu()
    assert {"generate_shard", "respond_again", "train_dpo"} <= with_gpu and "merge_sft" not in with_gpu
    assert with_gpu <= asked.keys() <= RULES.keys()
    for rule, resources in asked.items():
        assert resources["runtime"] >= 60, rule
        assert resources["mem_mb"] > PROFILE["default-resources"]["mem_mb"], rule
        assert ("cpus_per_task" in resources) >= (rule in with_gpu), rule
    assert {rule for rule in RULES if rule.startswith("merge_")} <= asked.keys()


def test_a_lost_node_costs_a_requeue_and_an_expired_job_another_attempt():
    assert PROFILE["executor"] == "slurm" and PROFILE["slurm-requeue"] and PROFILE["retries"] == 1


def test_every_gate_runs_where_snakemake_runs():
    """A gate takes a second; a queue may take an hour. `use rule` does not inherit where a rule runs."""
    named = re.search(r"^localrules:\n((?:    \w+,\n)+)", Path("Snakefile").read_text(), re.MULTILINE)[1]
    gates = {rule for rule in RULES if rule.startswith("gate_")} - {
        "gate_error_rates"
    }  # no gate, but their study
    assert re.findall(r"\w+", named) == sorted(gates) and len(gates) > 10


def test_the_plugin_is_pinned_where_the_profile_names_it():
    pins = Path("requirements-slurm.txt").read_text()
    assert "snakemake-executor-plugin-slurm==2.8.0" in pins
    assert "requirements-slurm.txt" in Path("profiles/slurm/README.md").read_text()


def test_the_plugin_is_installed_without_what_it_asks_for_anew():
    """That would replace NumPy by one that vLLM's packages refuse, and change what records are made with."""
    for file in ("Makefile", "profiles/slurm/README.md"):
        lines = [line for line in Path(file).read_text().splitlines() if "-r requirements-slurm.txt" in line]
        assert lines and all("--no-deps -r requirements-slurm.txt" in line for line in lines)
