"""Preferences: candidates from the SFT model, margins from the base as critic, pairs of best and worst.

Needs models/sft-merged, sft_data/train.parquet, the base and the sft gate. Makes
preferences/candidates/shard-{shard}.parquet and preferences/{pair_set}/{pairs.parquet,audit.json}.
"""


rule sample_candidates:
    input:
        script="workflow_scripts/sample_candidates.py",
        model=ancient("<results>/models/sft-merged"),
        manifest="<results>/models/sft-merged.json",
        critic_model="<results>/base/model.json",
        examples="<results>/sft_data/train.parquet",
        template=config["prompts"]["completion"],
        critic_template=config["prompts"]["critic"],
        constitution=config["constitution"],
        calibration="<results>/critic/calibration.json",
        guard="<results>/base/guard.json",
        gate="<results>/gates/sft.json",
        budget=ancient("<results>/budget/gate-sft.json"),
    output:
        candidates="<results>/preferences/candidates/shard-{shard}.parquet",
    log:
        "<logs>/sample_candidates-{shard}.log",
    benchmark:
        "<benchmarks>/sample_candidates-{shard}.jsonl"
    conda:
        "../envs/generate.yaml"
    resources:
        gpu=1,
        shards_per_load=config["preferences"]["shards_per_load"],
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/sample_candidates.py"),
        environment=environment_digest("envs/generate.yaml"),
        settings=candidate_settings(),
        shards=config["preferences"]["shards"],
        shard=lambda wildcards: int(wildcards.shard),
    shell:
        "python -m {params.module} --settings {params.settings:q} --model {input.model:q} --manifest {input.manifest:q}"
        " --critic-model {input.critic_model:q} --examples {input.examples:q} --template {input.template:q}"
        " --critic-template {input.critic_template:q} --constitution {input.constitution:q}"
        " --calibration-report {input.calibration:q} --guard {input.guard:q}"
        " --shard {params.shard} --shards {params.shards} --shards-per-load {resources.shards_per_load}"
        " --candidates {output.candidates:q} 2>&1 | tee {log:q}"


rule select_pairs:
    input:
        script="workflow_scripts/select_pairs.py",
        candidates=collect(
            "<results>/preferences/candidates/shard-{shard}.parquet",
            shard=shard_ids(config["preferences"]["shards"]),
        ),
    output:
        pairs="<results>/preferences/{pair_set}/pairs.parquet",
    log:
        "<logs>/select_pairs-{pair_set}.log",
    benchmark:
        "<benchmarks>/select_pairs-{pair_set}.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/select_pairs.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=pair_set_settings,
    shell:
        "python -m {params.module} --settings {params.settings:q} --candidates {input.candidates:q}"
        " --pairs {output.pairs:q} 2>&1 | tee {log:q}"


rule audit_pairs:
    input:
        script="workflow_scripts/audit_pairs.py",
        pairs="<results>/preferences/{pair_set}/pairs.parquet",
        candidates=collect(
            "<results>/preferences/candidates/shard-{shard}.parquet",
            shard=shard_ids(config["preferences"]["shards"]),
        ),
    output:
        audit=report(
            "<results>/preferences/{pair_set}/audit.json",
            caption="../reports/captions/pairs.rst",
            category="3. Data",
            labels={"pair set": "{pair_set}"},
        ),
    log:
        "<logs>/audit_pairs-{pair_set}.log",
    benchmark:
        "<benchmarks>/audit_pairs-{pair_set}.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/audit_pairs.py"),
        environment=environment_digest("envs/analysis.yaml"),
    shell:
        "python -m {params.module} --pairs {input.pairs:q} --candidates {input.candidates:q}"
        " --audit {output.audit:q} 2>&1 | tee {log:q}"


use rule gate_contamination as gate_pairs with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/preferences/{pair_set}/audit.json",
    output:
        decision=report(
            "<results>/gates/pairs-{pair_set}.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "pairs {pair_set}"},
        ),
    log:
        "<logs>/gate_pairs-{pair_set}.log",
    benchmark:
        "<benchmarks>/gate_pairs-{pair_set}.jsonl"
    params:
        settings=gate_settings("pairs"),
