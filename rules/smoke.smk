"""Smoke: before a run spends money, a look at the machine, and the model once through everything. In no other rule's way.

Needs the plan, the base, prompts and exemplars. Makes smoke/preflight.json (make preflight), smoke/{generation,rates}.json
(make smoke) and smoke/dry_run/{arm}.json (make evaluation-dry-run).
"""


rule preflight:
    input:
        script="workflow_scripts/preflight.py",
        plan="<results>/budget/plan.json",
        catalogue=config["budget"]["catalogue"],
    output:
        report="<results>/smoke/preflight.json",
    log:
        "<logs>/preflight.log",
    benchmark:
        "<benchmarks>/preflight.jsonl"
    conda:
        "../envs/generate.yaml"
    resources:
        gpu=1,
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/preflight.py"),
        environment=environment_digest("envs/generate.yaml"),
        settings=settings("base_model", "dpo"),
        results=lambda wildcards, output: Path(output.report).parents[1],
        environments=conda_prefix_argument(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --plan {input.plan:q}"
        " --catalogue {input.catalogue:q} --results {params.results:q} {params.environments:q}"
        " --report {output.report:q} 2>&1 | tee {log:q}"


rule smoke_generation:
    input:
        script="workflow_scripts/smoke_generation.py",
        files=model_files(),
        catalogue=config["budget"]["catalogue"],
        exemplars=config["exemplars"],
        template=config["prompts"]["answers"],
        critic_template=config["prompts"]["critic"],
        constitution=config["constitution"],
    output:
        report="<results>/smoke/generation.json",
    log:
        "<logs>/smoke_generation.log",
    benchmark:
        "<benchmarks>/smoke_generation.jsonl"
    conda:
        "../envs/generate.yaml"
    resources:
        gpu=1,
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/smoke_generation.py"),
        environment=environment_digest("envs/generate.yaml"),
        settings=settings("base_model", "engine", "generation", "budget", "smoke", "seed"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --catalogue {input.catalogue:q}"
        " --exemplars {input.exemplars:q} --template {input.template:q}"
        " --critic-template {input.critic_template:q} --constitution {input.constitution:q}"
        " --report {output.report:q} 2>&1 | tee {log:q}"


rule smoke_training:
    input:
        script="workflow_scripts/smoke_training.py",
        files=model_files(),
        catalogue=config["budget"]["catalogue"],
        exemplars=config["exemplars"],
        template=config["prompts"]["completion"],
        generation="<results>/smoke/generation.json",
    output:
        rates="<results>/smoke/rates.json",
    log:
        "<logs>/smoke_training.log",
    benchmark:
        "<benchmarks>/smoke_training.jsonl"
    conda:
        "../envs/train.yaml"
    resources:
        gpu=1,
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/smoke_training.py"),
        environment=environment_digest("envs/train.yaml"),
        settings=settings("base_model", "engine", "sft", "budget", "smoke", "seed"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --catalogue {input.catalogue:q}"
        " --exemplars {input.exemplars:q} --template {input.template:q} --generation {input.generation:q}"
        " --rates {output.rates:q} 2>&1 | tee {log:q}"


# Loads the model of an arm, builds its prompts and everything else, and generates nothing.
rule dry_run_of_respond:
    input:
        script="workflow_scripts/respond.py",
        model=ancient(arm_model),
        manifest=arm_manifest,
        questions="<results>/test_set/dev.parquet",
        template=arm_template,
        guard="<results>/base/guard.json",
    output:
        report="<results>/smoke/dry_run/{arm}.json",
    log:
        "<logs>/dry_run_of_respond-{arm}.log",
    benchmark:
        "<benchmarks>/dry_run_of_respond-{arm}.jsonl"
    conda:
        "../envs/generate.yaml"
    resources:
        gpu=1,
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/respond.py"),
        environment=environment_digest("envs/generate.yaml"),
        settings=respond_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --arm {wildcards.arm:q} --model {input.model:q}"
        " --items {input.questions:q} --template {input.template:q} --guard {input.guard:q}"
        " --responses {output.report:q} --dry-run 2>&1 | tee {log:q}"
