"""Budget: what the run will cost, planned from the configuration before anything is spent.

Needs the configuration, the GPU catalogue, prompts, exemplars and constitution. Makes budget/plan.json and
budget/frontier.svg.
"""


rule plan_budget:
    input:
        script="workflow_scripts/plan_budget.py",
        catalogue=config["budget"]["catalogue"],
        model_config=model_config(),
        benchmarks=budget_benchmarks(),
        exemplars=config["exemplars"],
        constitution=config["constitution"],
        completion_template=config["prompts"]["completion"],
        raw_template=config["prompts"]["raw"],
        instructions_template=config["prompts"]["instructions"],
        answers_template=config["prompts"]["answers"],
        critic_template=config["prompts"]["critic"],
    output:
        plan="<results>/budget/plan.json",
        figure="<results>/budget/frontier.svg",
    log:
        "<logs>/plan_budget.log",
    benchmark:
        "<benchmarks>/plan_budget.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/plan_budget.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=settings(
            "budget",
            "test_set",
            "generation",
            "sft",
            "sft_longer",
            "preferences",
            "dpo",
            "evaluation",
            "statistics",
        ),
        model_config=lambda wildcards, input: (
            ["--model-config", *input.model_config] if input.model_config else []
        ),
    shell:
        "python -m {params.module} --settings {params.settings:q} --catalogue {input.catalogue:q}"
        " {params.model_config:q} --benchmarks {input.benchmarks:q} --exemplars {input.exemplars:q}"
        " --constitution {input.constitution:q} --completion-template {input.completion_template:q}"
        " --raw-template {input.raw_template:q} --instructions-template {input.instructions_template:q}"
        " --answers-template {input.answers_template:q} --critic-template {input.critic_template:q}"
        " --plan {output.plan:q} --figure {output.figure:q} 2>&1 | tee {log:q}"
