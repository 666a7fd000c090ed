"""Deduplication: one training set from all shards, without duplicates and provably without held-out items.

Needs the shards (or what edits made of them), the test set, the exemplars and the sentinels. Makes
sft_data/train.parquet, sft_data/{overlap,qc}.json and the leakage gate.
"""


rule deduplicate:
    input:
        script="workflow_scripts/deduplicate.py",
        records=training_records(),
        template=config["prompts"]["completion"],
        test="<results>/test_set/test.parquet",
        dev="<results>/test_set/dev.parquet",
        calibration="<results>/test_set/calibration.parquet",
        exemplars=config["exemplars"],
        sentinels=config["sentinels"],
    output:
        train="<results>/sft_data/train.parquet",
        overlap="<results>/sft_data/overlap.json",
    log:
        "<logs>/deduplicate.log",
    benchmark:
        "<benchmarks>/deduplicate.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/deduplicate.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=settings("deduplication"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --records {input.records:q}"
        " --template {input.template:q} --test {input.test:q} --dev {input.dev:q} --calibration {input.calibration:q}"
        " --exemplars {input.exemplars:q} --sentinels {input.sentinels:q}"
        " --train {output.train:q} --overlap {output.overlap:q} 2>&1 | tee {log:q}"


rule generation_qc:
    input:
        script="workflow_scripts/generation_qc.py",
        records=generated_shards(),
        detector_examples=config["detector_examples"],
        train="<results>/sft_data/train.parquet",
    output:
        report=report(
            "<results>/sft_data/qc.json",
            caption="../reports/captions/quality.rst",
            category="3. Data",
            labels={"stage": "generation"},
        ),
    log:
        "<logs>/generation_qc.log",
    benchmark:
        "<benchmarks>/generation_qc.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/generation_qc.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=near_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --records {input.records:q}"
        " --detector-examples {input.detector_examples:q} --train {input.train:q} --report {output.report:q} 2>&1 | tee {log:q}"


use rule gate_contamination as gate_leakage with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/sft_data/overlap.json",
    output:
        decision=report(
            "<results>/gates/leakage.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "leakage"},
        ),
    log:
        "<logs>/gate_leakage.log",
    benchmark:
        "<benchmarks>/gate_leakage.jsonl"
    params:
        settings=gate_settings("leakage"),


use rule gate_contamination as gate_generation with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/sft_data/qc.json",
    output:
        decision=report(
            "<results>/gates/generation.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "generation"},
        ),
    log:
        "<logs>/gate_generation.log",
    benchmark:
        "<benchmarks>/gate_generation.jsonl"
    params:
        settings=gate_settings("generation"),
