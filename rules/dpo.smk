"""DPO: one LoRA adapter per variant on the merged SFT model, which is also the reference; merged.

Needs models/sft-merged, the variant's pairs and dev. Makes models/dpo/{variant}/*, models/dpo-{variant}-merged/ and the
dpo gate (on the primary variant).
"""


rule train_dpo:
    input:
        script="workflow_scripts/train_dpo.py",
        model=ancient("<results>/models/sft-merged"),
        manifest="<results>/models/sft-merged.json",
        pairs=lambda wildcards: (
            f"<results>/preferences/{config['dpo']['variants'][wildcards.variant]['pair_set']}/pairs.parquet"
        ),
        gate=lambda wildcards: (
            f"<results>/gates/pairs-{config['dpo']['variants'][wildcards.variant]['pair_set']}.json"
        ),
        dev="<results>/test_set/dev.parquet",
        template=config["prompts"]["completion"],
    output:
        weights="<results>/models/dpo/{variant}/adapter_model.safetensors",
        adapter_config="<results>/models/dpo/{variant}/adapter_config.json",
        training=report(
            "<results>/models/dpo/{variant}/training.json",
            caption="../reports/captions/training.rst",
            category="4. Training",
            labels={"run": "dpo-{variant}"},
        ),
        metrics="<results>/models/dpo/{variant}/metrics.parquet",
    log:
        "<logs>/train_dpo-{variant}.log",
    benchmark:
        "<benchmarks>/train_dpo-{variant}.jsonl"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=1,
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/train_dpo.py"),
        environment=environment_digest("envs/train.yaml"),
        settings=dpo_settings,
    shell:
        "python -m {params.module} --settings {params.settings:q} --model {input.model:q} --pairs {input.pairs:q}"
        " --dev {input.dev:q} --template {input.template:q} --weights {output.weights:q}"
        " --adapter-config {output.adapter_config:q} --training {output.training:q}"
        " --metrics {output.metrics:q} 2>&1 | tee {log:q}"


use rule merge_sft as merge_dpo with:
    input:
        script="workflow_scripts/merge_adapter.py",
        model=ancient("<results>/models/sft-merged"),
        manifest="<results>/models/sft-merged.json",
        weights="<results>/models/dpo/{variant}/adapter_model.safetensors",
        adapter_config="<results>/models/dpo/{variant}/adapter_config.json",
    output:
        merged=directory("<results>/models/dpo-{variant}-merged"),
        manifest="<results>/models/dpo-{variant}-merged.json",
    log:
        "<logs>/merge_dpo-{variant}.log",
    benchmark:
        "<benchmarks>/merge_dpo-{variant}.jsonl"


use rule gate_contamination as gate_dpo with:
    input:
        script="workflow_scripts/gate.py",
        metrics=f"<results>/dev_evaluation/sft-vs-dpo-{PRIMARY_VARIANT}.json",
    output:
        decision=report(
            "<results>/gates/dpo.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "dpo"},
        ),
    log:
        "<logs>/gate_dpo.log",
    benchmark:
        "<benchmarks>/gate_dpo.jsonl"
    params:
        settings=gate_settings("dpo"),
