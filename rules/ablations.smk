"""Ablations: what the DPO variants vary, and how each compares with the main one.

Needs the comparisons and the record of each variant's training. Makes statistics/variants.json.
"""


rule variant_overview:
    input:
        script="workflow_scripts/variant_overview.py",
        comparisons="<results>/statistics/comparisons.json",
        training_reports=collect(
            "<results>/models/dpo/{variant}/training.json", variant=sorted(config["dpo"]["variants"])
        ),
    output:
        overview=report(
            "<results>/statistics/variants.json",
            caption="../reports/captions/variants.rst",
            category="1. Answer",
            labels={"table": "variants (JSON)"},
        ),
    log:
        "<logs>/variant_overview.log",
    benchmark:
        "<benchmarks>/variant_overview.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/variant_overview.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=variant_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --comparisons {input.comparisons:q}"
        " --training-reports {input.training_reports:q} --overview {output.overview:q} 2>&1 | tee {log:q}"
