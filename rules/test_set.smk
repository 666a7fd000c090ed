"""Test set: held-out items from declarative families or of one's own, with a programmatic check each.

Needs the tasks: families (YAML) or items (JSONL). Makes test_set/{test,dev,calibration}.parquet, test_set/audit.json and its gate.
"""


rule test_set:
    input:
        script="workflow_scripts/test_set.py",
        tasks=config["tasks"],
    output:
        test="<results>/test_set/test.parquet",
        dev="<results>/test_set/dev.parquet",
        calibration="<results>/test_set/calibration.parquet",
    log:
        "<logs>/test_set.log",
    benchmark:
        "<benchmarks>/test_set.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/test_set.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=settings("test_set"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --tasks {input.tasks:q}"
        " --test {output.test:q} --dev {output.dev:q} --calibration {output.calibration:q} 2>&1 | tee {log:q}"


rule test_set_audit:
    input:
        script="workflow_scripts/test_set_audit.py",
        tasks=config["tasks"],
        test="<results>/test_set/test.parquet",
        dev="<results>/test_set/dev.parquet",
        calibration="<results>/test_set/calibration.parquet",
    output:
        audit="<results>/test_set/audit.json",
    log:
        "<logs>/test_set_audit.log",
    benchmark:
        "<benchmarks>/test_set_audit.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/test_set_audit.py"),
        environment=environment_digest("envs/analysis.yaml"),
    shell:
        "python -m {params.module} --tasks {input.tasks:q} --test {input.test:q} --dev {input.dev:q}"
        " --calibration {input.calibration:q} --audit {output.audit:q} 2>&1 | tee {log:q}"


use rule gate_contamination as gate_test_set with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/test_set/audit.json",
    output:
        decision=report(
            "<results>/gates/test_set.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "test set"},
        ),
    log:
        "<logs>/gate_test_set.log",
    benchmark:
        "<benchmarks>/gate_test_set.jsonl"
    params:
        settings=gate_settings("test_set"),
