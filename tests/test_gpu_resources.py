"""Whichever job takes a GPU asks Snakemake for one."""

import re

from tests.conftest import REPOSITORY, copy_sources, run_snakemake


def test_every_job_that_takes_a_gpu_asks_for_one_and_no_other_does(tmp_path):
    directory = copy_sources(tmp_path)
    quiet_nothing = ("--quiet", "host", "--printshellcmds")
    told = run_snakemake(directory, "--dry-run", "--forceall", *quiet_nothing).stdout
    asks, takes = {}, {}
    for job in re.split(r"\n(?=(?:local)?rule )", told):
        rule = re.match(r"(?:local)?rule (\w+):", job)
        module = re.search(r"python -m workflow_scripts\.(\w+)", job)
        if rule and module:
            resources = re.search(r"^    resources: (.*)$", job, re.MULTILINE)
            asks[rule[1]] = "gpu=1" in (resources[1] if resources else "")
            source = (REPOSITORY / f"workflow_scripts/{module[1]}.py").read_text()
            takes[rule[1]] = "uses_gpu=True" in source
    assert {"generate_shard", "pilot", "train_sft", "respond", "sample_candidates"} <= asks.keys()
    assert {rule for rule, does in asks.items() if does} == {rule for rule, does in takes.items() if does}
