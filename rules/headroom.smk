"""Headroom: is there anything to improve? Asked on dev, in the format of the evaluation, before any training.

Needs the base arms' scores on dev. Makes headroom/headroom.json and its gate.
"""


rule headroom:
    input:
        script="workflow_scripts/headroom.py",
        base="<results>/dev_evaluation/base/scores.parquet",
        base_raw="<results>/dev_evaluation/base_raw/scores.parquet",
    output:
        report="<results>/headroom/headroom.json",
    log:
        "<logs>/headroom.log",
    benchmark:
        "<benchmarks>/headroom.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/headroom.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=confidence_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --base {input.base:q}"
        " --base-raw {input.base_raw:q} --report {output.report:q} 2>&1 | tee {log:q}"


use rule gate_contamination as gate_headroom with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/headroom/headroom.json",
    output:
        decision=report(
            "<results>/gates/headroom.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "headroom"},
        ),
    log:
        "<logs>/gate_headroom.log",
    benchmark:
        "<benchmarks>/gate_headroom.jsonl"
    params:
        settings=gate_settings("headroom"),
