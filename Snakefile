"""Bootstrap a base language model into an instruction follower, and prove or refute the improvement.

A table of contents: each stage has its own file under rules/, every result is a file, `rule all` names the last ones.
"""

import sys
from snakemake.utils import min_version

min_version("9.27")
sys.path.insert(0, workflow.basedir)


configfile: "config/config.yaml"


report: "reports/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/accounting.smk"
include: "rules/tracking.smk"
include: "rules/arms.smk"
include: "rules/base_model.smk"
include: "rules/test_set.smk"
include: "rules/headroom.smk"
include: "rules/generation.smk"
include: "rules/edits.smk"
include: "rules/deduplication.smk"
include: "rules/sft.smk"
include: "rules/preferences.smk"
include: "rules/dpo.smk"
include: "rules/preregistration.smk"
include: "rules/evaluation.smk"
include: "rules/ablations.smk"
include: "rules/budget.smk"
include: "rules/smoke_settings.smk"
include: "rules/smoke.smk"
include: "rules/report_sources.smk"
include: "rules/costs.smk"
include: "rules/report.smk"
include: "rules/automation.smk"
include: "rules/manifest.smk"


# A second's work each: on a cluster they run where Snakemake runs and wait for no queue.
localrules:
    gate_budget,
    gate_budget_plan,
    gate_claim,
    gate_contamination,
    gate_critic,
    gate_dpo,
    gate_generation,
    gate_headroom,
    gate_leakage,
    gate_pairs,
    gate_pilot,
    gate_sft,
    gate_test_set,


onstart:
    global session
    session = sessions.start_session(
        workflow.pathvars.apply("<results>/sessions"),
        config=config,
        planned=sessions.planned_files(workflow),
        jobs=sessions.planned_jobs(workflow),
    )
    os.environ[usage.SESSION] = session.stem


onsuccess:
    sessions.finish_session(session, "completed")


onerror:
    sessions.finish_session(session, "failed")


rule all:
    default_target: True
    input:
        "<reports>/summary.html",
        "<results>/gates/claim.json",
        "<results>/budget/gate-plan.json",
        "<reports>/costs.html",
        "<results>/manifest.json",
