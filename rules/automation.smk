"""Automation: how much of the run went by itself, and what people did.

Needs all gates and metrics of the run, edits and labels where there are any, and the usage files, which are no declared
input: they grow with every job. Makes budget/automation.json.
"""


rule automation:
    input:
        script="workflow_scripts/automation.py",
        gates=[
            *report_gates(),
            *collect("<results>/budget/gate-{moment}.json", moment=["plan", "pilot", "sft"]),
        ],
        qualities=["<results>/pilot/qc.json", "<results>/sft_data/qc.json"],
        edits="<results>/edits/edits.json" if config["generation"]["edits"] else [],
        labels=human_labels(),
        # All that the report is made of is there before the attempts of jobs are counted.
        others=[*run_metrics(), "<results>/statistics/variants.json"],
    output:
        metrics=report(
            "<results>/budget/automation.json",
            caption="../reports/captions/automation.rst",
            category="6. Cost",
            labels={"table": "automation"},
        ),
    log:
        "<logs>/automation.log",
    benchmark:
        "<benchmarks>/automation.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/automation.py"),
        environment=environment_digest("envs/analysis.yaml"),
        usage=workflow.pathvars.apply("<results>/usage"),
    shell:
        "python -m {params.module} --usage {params.usage:q} --gates {input.gates:q} --qualities {input.qualities:q}"
        " --edits {input.edits:q} --labels {input.labels:q} --metrics {output.metrics:q} 2>&1 | tee {log:q}"
