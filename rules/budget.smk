"""Budget: what the run will cost, planned before anything is spent, projected anew from what was measured.

Needs the configuration, the GPU catalogue, prompts, exemplars and constitution; later the pilot's records, the training
examples, and what jobs wrote down of their use (core/usage.py). Makes budget/plan.json, budget/frontier.svg,
budget/projection-{moment}.json and the budget gates budget/gate-{plan,pilot,sft}.json.

Jobs with a model wait for a projection and its gate, so these depend on nothing that changes without the data they follow:
their settings are no parameters. (A job that runs again hides what is behind its `ancient` outputs from Snakemake.) The plan
depends on all settings, and nothing waits for it: it goes first by its priority, and each job is held to the cap anyway.
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
        figure=report(
            "<results>/budget/frontier.svg",
            caption="../reports/captions/frontier.rst",
            category="6. Cost",
            labels={"figure": "what budgets buy"},
        ),
    log:
        "<logs>/plan_budget.log",
    benchmark:
        "<benchmarks>/plan_budget.jsonl"
    priority: 100
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/plan_budget.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=budget_settings(),
        model_config=model_config_argument,
    shell:
        "python -m {params.module} --settings {params.settings:q} --catalogue {input.catalogue:q}"
        " {params.model_config:q} --benchmarks {input.benchmarks:q} --exemplars {input.exemplars:q}"
        " --constitution {input.constitution:q} --completion-template {input.completion_template:q}"
        " --raw-template {input.raw_template:q} --instructions-template {input.instructions_template:q}"
        " --answers-template {input.answers_template:q} --critic-template {input.critic_template:q}"
        " --plan {output.plan:q} --figure {output.figure:q} 2>&1 | tee {log:q}"


rule calibrate_budget:
    input:
        script="workflow_scripts/calibrate_budget.py",
        after=calibration_follows,
        pilot="<results>/pilot/records.parquet",
        examples=calibration_examples,
        catalogue=ancient(config["budget"]["catalogue"]),
        model_config=model_config(),
        exemplars=config["exemplars"],
        constitution=config["constitution"],
        completion_template=config["prompts"]["completion"],
        raw_template=config["prompts"]["raw"],
        instructions_template=config["prompts"]["instructions"],
        answers_template=config["prompts"]["answers"],
        critic_template=config["prompts"]["critic"],
    output:
        projection="<results>/budget/projection-{moment}.json",
    log:
        "<logs>/calibrate_budget-{moment}.log",
    benchmark:
        "<benchmarks>/calibrate_budget-{moment}.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/calibrate_budget.py"),
        environment=environment_digest("envs/analysis.yaml"),
        model_config=model_config_argument,
    shell:
        'python -m {params.module} --settings "$CAI_BUDGET" --moment {wildcards.moment}'
        " --catalogue {input.catalogue:q} {params.model_config:q} --exemplars {input.exemplars:q}"
        " --constitution {input.constitution:q} --completion-template {input.completion_template:q}"
        " --raw-template {input.raw_template:q} --instructions-template {input.instructions_template:q}"
        " --answers-template {input.answers_template:q} --critic-template {input.critic_template:q}"
        " --pilot {input.pilot:q} --examples {input.examples:q} --projection {output.projection:q}"
        " 2>&1 | tee {log:q}"


use rule gate_contamination as gate_budget_plan with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/budget/plan.json",
    output:
        decision=report(
            "<results>/budget/gate-plan.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "budget plan"},
        ),
    log:
        "<logs>/gate_budget_plan.log",
    benchmark:
        "<benchmarks>/gate_budget_plan.jsonl"
    priority: 100
    params:
        settings=gate_settings("budget_plan"),


rule gate_budget:
    input:
        script="workflow_scripts/budget_gate.py",
        projection="<results>/budget/projection-{moment}.json",
    output:
        decision=report(
            "<results>/budget/gate-{moment}.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "budget {moment}"},
        ),
    log:
        "<logs>/gate_budget-{moment}.log",
    benchmark:
        "<benchmarks>/gate_budget-{moment}.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/budget_gate.py"),
        environment=environment_digest("envs/analysis.yaml"),
        judged=lambda wildcards, output: f"{Path(output.decision).parent}/judged-{wildcards.moment}.json",
    shell:
        'python -m {params.module} --settings "$CAI_BUDGET_GATE" --projection {input.projection:q}'
        " --judged {params.judged:q} --decision {output.decision:q} 2>&1 | tee {log:q}"
