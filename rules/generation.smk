"""Generation: the base writes instructions and answers, and judges them as the critic.

Needs the base, the exemplars, the constitution and the prompts; the contamination, test set and headroom gates.
Makes critic/calibration.json, pilot/{records.parquet,qc.json}, generation/shard-{shard}.parquet, and the critic and
pilot gates.
"""


rule critic_calibration:
    input:
        script="workflow_scripts/critic_calibration.py",
        identity="<results>/base/model.json",
        calibration="<results>/test_set/calibration.parquet",
        constitution=config["constitution"],
        template=config["prompts"]["critic"],
        contamination="<results>/gates/contamination.json",
        headroom="<results>/gates/headroom.json",
        test_set="<results>/gates/test_set.json",
    output:
        report=report(
            "<results>/critic/calibration.json",
            caption="../reports/captions/calibration.rst",
            category="3. Data",
            labels={"stage": "critic"},
        ),
    log:
        "<logs>/critic_calibration.log",
    benchmark:
        "<benchmarks>/critic_calibration.jsonl"
    conda:
        "../envs/generate.yaml"
    resources:
        gpu=1,
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/critic_calibration.py"),
        environment=environment_digest("envs/generate.yaml"),
        settings=settings("critic", "engine"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --identity {input.identity:q}"
        " --calibration {input.calibration:q} --constitution {input.constitution:q} --template {input.template:q}"
        " --calibration-report {output.report:q} 2>&1 | tee {log:q}"


use rule gate_contamination as gate_critic with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/critic/calibration.json",
    output:
        decision=report(
            "<results>/gates/critic.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "critic"},
        ),
    log:
        "<logs>/gate_critic.log",
    benchmark:
        "<benchmarks>/gate_critic.jsonl"
    params:
        settings=gate_settings("critic"),


rule pilot:
    input:
        script="workflow_scripts/generate.py",
        identity="<results>/base/model.json",
        exemplars=config["exemplars"],
        guidance=guidance_lists(),
        instructions_template=config["prompts"]["instructions"],
        answers_template=config["prompts"]["answers"],
        critic_template=config["prompts"]["critic"],
        constitution=config["constitution"],
        calibration="<results>/critic/calibration.json",
        guard="<results>/base/guard.json",
        gate="<results>/gates/critic.json",
        earlier=[],
    output:
        records="<results>/pilot/records.parquet",
    log:
        "<logs>/pilot.log",
    benchmark:
        "<benchmarks>/pilot.jsonl"
    conda:
        "../envs/generate.yaml"
    # Which shards a loaded model serves is a resource: it changes no record, and what is no parameter reruns nothing.
    resources:
        gpu=1,
        shards=1,
        shards_per_load=1,
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/generate.py"),
        environment=environment_digest("envs/generate.yaml"),
        settings=generation_settings(),
        stream="pilot",
        shard=0,
        size=config["generation"]["pilot_size"],
    shell:
        "python -m {params.module} --settings {params.settings:q} --identity {input.identity:q}"
        " --exemplars {input.exemplars:q} --instructions-template {input.instructions_template:q}"
        " --answers-template {input.answers_template:q} --critic-template {input.critic_template:q}"
        " --constitution {input.constitution:q} --calibration-report {input.calibration:q} --guard {input.guard:q}"
        " --guidance {input.guidance:q} --earlier {input.earlier:q}"
        " --stream {params.stream} --shard {params.shard} --size {params.size}"
        " --shards {resources.shards} --shards-per-load {resources.shards_per_load}"
        " --records {output.records:q} 2>&1 | tee {log:q}"


rule pilot_qc:
    input:
        script="workflow_scripts/generation_qc.py",
        records=["<results>/pilot/records.parquet"],
        detector_examples=config["detector_examples"],
    output:
        report=report(
            "<results>/pilot/qc.json",
            caption="../reports/captions/quality.rst",
            category="3. Data",
            labels={"stage": "pilot"},
        ),
    log:
        "<logs>/pilot_qc.log",
    benchmark:
        "<benchmarks>/pilot_qc.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/generation_qc.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=near_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --records {input.records:q}"
        " --detector-examples {input.detector_examples:q} --report {output.report:q} 2>&1 | tee {log:q}"


use rule gate_contamination as gate_pilot with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/pilot/qc.json",
    output:
        decision=report(
            "<results>/gates/pilot.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "pilot"},
        ),
    log:
        "<logs>/gate_pilot.log",
    benchmark:
        "<benchmarks>/gate_pilot.jsonl"
    params:
        settings=gate_settings("pilot"),


use rule pilot as generate_shard with:
    input:
        script="workflow_scripts/generate.py",
        identity="<results>/base/model.json",
        exemplars=config["exemplars"],
        guidance=guidance_lists(),
        instructions_template=config["prompts"]["instructions"],
        answers_template=config["prompts"]["answers"],
        critic_template=config["prompts"]["critic"],
        constitution=config["constitution"],
        calibration="<results>/critic/calibration.json",
        guard="<results>/base/guard.json",
        gate="<results>/gates/pilot.json",
        earlier="<results>/pilot/records.parquet" if guidance_lists() else [],
        budget=ancient("<results>/budget/gate-pilot.json"),
    output:
        records="<results>/generation/shard-{shard}.parquet",
    log:
        "<logs>/generate_shard-{shard}.log",
    benchmark:
        "<benchmarks>/generate_shard-{shard}.jsonl"
    # All of them are stated: what is stated here takes the place of what the rule above states.
    resources:
        gpu=1,
        shards=config["generation"]["shards"],
        shards_per_load=config["generation"]["shards_per_load"],
    params:
        stream="generation",
        shard=lambda wildcards: int(wildcards.shard),
        size=config["generation"]["shard_size"],
