"""Edits: what people changed in generated records, applied before anything is made of them; marked for ever.

Needs all shards and the file that `generation.edits` names; without one no job of this file is there.
Makes edits/records.parquet (all records) and edits/edits.json.
"""


rule apply_edits:
    input:
        script="workflow_scripts/apply_edits.py",
        records=generated_shards(),
        edits=config["generation"]["edits"] or [],
    output:
        edited="<results>/edits/records.parquet",
        report=report(
            "<results>/edits/edits.json",
            caption="../reports/captions/edits.rst",
            category="3. Data",
            labels={"stage": "edits"},
        ),
    log:
        "<logs>/apply_edits.log",
    benchmark:
        "<benchmarks>/apply_edits.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/apply_edits.py"),
        environment=environment_digest("envs/analysis.yaml"),
    shell:
        "python -m {params.module} --records {input.records:q} --edits {input.edits:q}"
        " --edited {output.edited:q} --report {output.report:q} 2>&1 | tee {log:q}"
