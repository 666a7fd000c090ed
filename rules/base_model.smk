"""Base model: what it is, byte for byte, and proof that nothing of a chat model is in it or in its prompts.

Needs the model directory (or repository) that the config names, the prompts, the sentinels and the test set.
Makes base/model.json, base/guard.json, base/sentinels.json and the contamination gate.
"""


rule base_model:
    input:
        script="workflow_scripts/base_model.py",
        files=model_files(),
    output:
        identity="<results>/base/model.json",
    log:
        "<logs>/base_model.log",
    benchmark:
        "<benchmarks>/base_model.jsonl"
    conda:
        "../envs/train.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/base_model.py"),
        environment=environment_digest("envs/train.yaml"),
        settings=base_model_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --identity {output.identity:q}"
        " 2>&1 | tee {log:q}"


rule contamination_guard:
    input:
        script="workflow_scripts/contamination_guard.py",
        identity="<results>/base/model.json",
        test="<results>/test_set/test.parquet",
        dev="<results>/test_set/dev.parquet",
        calibration="<results>/test_set/calibration.parquet",
        exemplars=config["exemplars"],
        constitution=config["constitution"],
        sentinels=config["sentinels"],
        guidance=guidance_lists(),
        prompts=sorted(config["prompts"].values()),
    output:
        report="<results>/base/guard.json",
    log:
        "<logs>/contamination_guard.log",
    benchmark:
        "<benchmarks>/contamination_guard.jsonl"
    conda:
        "../envs/train.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/contamination_guard.py"),
        environment=environment_digest("envs/train.yaml"),
        settings=shots_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --identity {input.identity:q}"
        " --test {input.test:q} --dev {input.dev:q} --calibration {input.calibration:q}"
        " --exemplars {input.exemplars:q} --constitution {input.constitution:q} --sentinels {input.sentinels:q}"
        " --guidance {input.guidance:q} --prompts {input.prompts:q}"
        " --report {output.report:q} 2>&1 | tee {log:q}"


rule sentinels:
    input:
        script="workflow_scripts/sentinels.py",
        model="<results>/base/model.json",
        sentinels=config["sentinels"],
        template=config["prompts"]["completion"],
        recorded=recorded_rates(),
    output:
        report=report(
            "<results>/base/sentinels.json",
            caption="../reports/captions/sentinels.rst",
            category="3. Data",
            labels={"stage": "sentinels"},
        ),
    log:
        "<logs>/sentinels.log",
    benchmark:
        "<benchmarks>/sentinels.jsonl"
    conda:
        "../envs/generate.yaml"
    resources:
        gpu=1,
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/sentinels.py"),
        environment=environment_digest("envs/generate.yaml"),
        settings=settings("engine"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --model {input.model:q}"
        " --sentinels {input.sentinels:q} --template {input.template:q} --recorded-rates {input.recorded:q}"
        " --report {output.report:q} 2>&1 | tee {log:q}"


rule gate_contamination:
    input:
        script="workflow_scripts/gate.py",
        metrics=["<results>/base/guard.json", "<results>/base/sentinels.json"],
    output:
        decision=report(
            "<results>/gates/contamination.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "contamination"},
        ),
    log:
        "<logs>/gate_contamination.log",
    benchmark:
        "<benchmarks>/gate_contamination.jsonl"
    retries: 0  # asking again changes no decision
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/gate.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=gate_settings("contamination"),
        record_only="",
    shell:
        "python -m {params.module} --settings {params.settings:q} --metrics {input.metrics:q}"
        " --decision {output.decision:q} {params.record_only} 2>&1 | tee {log:q}"
