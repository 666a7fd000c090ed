"""SFT: a LoRA adapter on the base from what it wrote and kept, merged; and the control that trains longer.

Needs the base, sft_data/train.parquet, dev and the leakage gate. Makes models/sft/*, models/sft-merged/,
models/sft-longer/*, models/sft-longer-merged/ and the sft gate.
"""


rule train_sft:
    input:
        script="workflow_scripts/train_sft.py",
        model="<results>/base/model.json",
        examples="<results>/sft_data/train.parquet",
        dev="<results>/test_set/dev.parquet",
        template=config["prompts"]["completion"],
        leakage="<results>/gates/leakage.json",
        generation="<results>/gates/generation.json",
    output:
        weights="<results>/models/sft/adapter_model.safetensors",
        adapter_config="<results>/models/sft/adapter_config.json",
        training=report(
            "<results>/models/sft/training.json",
            caption="../reports/captions/training.rst",
            category="4. Training",
            labels={"run": "sft"},
        ),
        metrics="<results>/models/sft/metrics.parquet",
    log:
        "<logs>/train_sft.log",
    benchmark:
        "<benchmarks>/train_sft.jsonl"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=1,
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/train_sft.py"),
        environment=environment_digest("envs/train.yaml"),
        settings=sft_settings(),
        steps_from="",
    shell:
        "python -m {params.module} --settings {params.settings:q} --model {input.model:q}"
        " --examples {input.examples:q} --dev {input.dev:q} --template {input.template:q} {params.steps_from}"
        " --weights {output.weights:q} --adapter-config {output.adapter_config:q}"
        " --training {output.training:q} --metrics {output.metrics:q} 2>&1 | tee {log:q}"


use rule train_sft as train_sft_longer with:
    input:
        script="workflow_scripts/train_sft.py",
        model=ancient("<results>/models/sft-merged"),
        manifest="<results>/models/sft-merged.json",
        examples="<results>/sft_data/train.parquet",
        dev="<results>/test_set/dev.parquet",
        template=config["prompts"]["completion"],
        dpo_training=f"<results>/models/dpo/{config['sft_longer']['steps_of']}/training.json",
    output:
        weights="<results>/models/sft-longer/adapter_model.safetensors",
        adapter_config="<results>/models/sft-longer/adapter_config.json",
        training=report(
            "<results>/models/sft-longer/training.json",
            caption="../reports/captions/training.rst",
            category="4. Training",
            labels={"run": "sft-longer"},
        ),
        metrics="<results>/models/sft-longer/metrics.parquet",
    log:
        "<logs>/train_sft_longer.log",
    benchmark:
        "<benchmarks>/train_sft_longer.jsonl"
    params:
        steps_from=lambda wildcards, input: f"--steps-from {input.dpo_training}",


rule merge_sft:
    input:
        script="workflow_scripts/merge_adapter.py",
        model="<results>/base/model.json",
        weights="<results>/models/sft/adapter_model.safetensors",
        adapter_config="<results>/models/sft/adapter_config.json",
    output:
        merged=directory("<results>/models/sft-merged"),
        manifest="<results>/models/sft-merged.json",
    log:
        "<logs>/merge_sft.log",
    benchmark:
        "<benchmarks>/merge_sft.jsonl"
    conda:
        "../envs/train.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/merge_adapter.py"),
        environment=environment_digest("envs/train.yaml"),
    shell:
        "python -m {params.module} --model {input.model:q} --weights {input.weights:q}"
        " --adapter-config {input.adapter_config:q} --merged {output.merged:q} --manifest {output.manifest:q}"
        " 2>&1 | tee {log:q}"


use rule merge_sft as merge_sft_longer with:
    input:
        script="workflow_scripts/merge_adapter.py",
        model=ancient("<results>/models/sft-merged"),
        manifest="<results>/models/sft-merged.json",
        weights="<results>/models/sft-longer/adapter_model.safetensors",
        adapter_config="<results>/models/sft-longer/adapter_config.json",
    output:
        merged=directory("<results>/models/sft-longer-merged"),
        manifest="<results>/models/sft-longer-merged.json",
    log:
        "<logs>/merge_sft_longer.log",
    benchmark:
        "<benchmarks>/merge_sft_longer.jsonl"


use rule gate_contamination as gate_sft with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/dev_evaluation/base-vs-sft.json",
    output:
        decision=report(
            "<results>/gates/sft.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "sft"},
        ),
    log:
        "<logs>/gate_sft.log",
    benchmark:
        "<benchmarks>/gate_sft.jsonl"
    params:
        settings=gate_settings("sft"),
