"""Evaluation: every arm answers the same items greedily, one model per process; scores, paired statistics, audit.

Needs the test set and the models. Makes {evaluation,dev_evaluation}/{arm}/{responses,scores}.parquet,
dev_evaluation/{baseline}-vs-{candidate}.json, evaluation_repeats/{arm}/{same,other_batch}.parquet (the arms of the claim,
asked again), statistics/comparisons.json, evaluation/audit.json and the claim gate.
"""


rule respond:
    input:
        script="workflow_scripts/respond.py",
        model=ancient(arm_model),
        manifest=arm_manifest,
        questions=evaluation_items,
        template=arm_template,
        guard="<results>/base/guard.json",
        gates=arm_gates,
        registration=ancient(arm_registration),
    output:
        responses="<results>/{evaluation}/{arm}/responses.parquet",
    log:
        "<logs>/respond-{evaluation}-{arm}.log",
    benchmark:
        "<benchmarks>/respond-{evaluation}-{arm}.jsonl"
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
        " --responses {output.responses:q} 2>&1 | tee {log:q}"


use rule respond as respond_again with:
    input:
        script="workflow_scripts/respond.py",
        model=ancient(arm_model),
        manifest=arm_manifest,
        questions="<results>/test_set/test.parquet",
        template=arm_template,
        guard="<results>/base/guard.json",
        first_responses="<results>/evaluation/{arm}/responses.parquet",
    output:
        responses="<results>/evaluation_repeats/{arm}/{repeat}.parquet",
    log:
        "<logs>/respond_again-{arm}-{repeat}.log",
    benchmark:
        "<benchmarks>/respond_again-{arm}-{repeat}.jsonl"
    params:
        settings=repeat_settings,


rule score:
    input:
        script="workflow_scripts/score.py",
        questions=evaluation_items,
        responses="<results>/{evaluation}/{arm}/responses.parquet",
    output:
        scores="<results>/{evaluation}/{arm}/scores.parquet",
    log:
        "<logs>/score-{evaluation}-{arm}.log",
    benchmark:
        "<benchmarks>/score-{evaluation}-{arm}.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/score.py"),
        environment=environment_digest("envs/analysis.yaml"),
    shell:
        "python -m {params.module} --items {input.questions:q} --responses {input.responses:q}"
        " --scores {output.scores:q} 2>&1 | tee {log:q}"


rule dev_lift:
    input:
        script="workflow_scripts/dev_lift.py",
        baseline="<results>/dev_evaluation/{baseline}/scores.parquet",
        candidate="<results>/dev_evaluation/{candidate}/scores.parquet",
    output:
        report="<results>/dev_evaluation/{baseline}-vs-{candidate}.json",
    log:
        "<logs>/dev_lift-{baseline}-vs-{candidate}.log",
    benchmark:
        "<benchmarks>/dev_lift-{baseline}-vs-{candidate}.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/dev_lift.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=confidence_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --baseline {input.baseline:q}"
        " --candidate {input.candidate:q} --report {output.report:q} 2>&1 | tee {log:q}"


rule compare:
    input:
        script="workflow_scripts/compare.py",
        scores=collect("<results>/evaluation/{arm}/scores.parquet", arm=arms()),
        registration="<results>/statistics/preregistration.json",
    output:
        comparisons=report(
            "<results>/statistics/comparisons.json",
            caption="../reports/captions/comparisons.rst",
            category="1. Answer",
            labels={"table": "comparisons (JSON)"},
        ),
    log:
        "<logs>/compare.log",
    benchmark:
        "<benchmarks>/compare.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/compare.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=comparison_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --scores {input.scores:q}"
        " --registration {input.registration:q} --comparisons {output.comparisons:q} 2>&1 | tee {log:q}"


rule evaluation_audit:
    input:
        script="workflow_scripts/evaluation_audit.py",
        scores=collect("<results>/evaluation/{arm}/scores.parquet", arm=arms()),
        responses=collect("<results>/evaluation/{arm}/responses.parquet", arm=arms()),
        comparisons="<results>/statistics/comparisons.json",
        questions="<results>/test_set/test.parquet",
        same=collect("<results>/evaluation_repeats/{arm}/same.parquet", arm=primary_arms()),
        other_batch=collect("<results>/evaluation_repeats/{arm}/other_batch.parquet", arm=primary_arms()),
        labels=human_labels(),
    output:
        audit=report(
            "<results>/evaluation/audit.json",
            caption="../reports/captions/audit.rst",
            category="1. Answer",
            labels={"table": "evaluation audit"},
        ),
    log:
        "<logs>/evaluation_audit.log",
    benchmark:
        "<benchmarks>/evaluation_audit.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/evaluation_audit.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=settings("statistics"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --scores {input.scores:q}"
        " --responses {input.responses:q} --comparisons {input.comparisons:q}"
        " --items {input.questions:q} --same {input.same:q} --other-batch {input.other_batch:q}"
        " --labels {input.labels:q} --audit {output.audit:q} 2>&1 | tee {log:q}"


use rule gate_contamination as gate_claim with:
    input:
        script="workflow_scripts/gate.py",
        metrics="<results>/evaluation/audit.json",
    output:
        decision=report(
            "<results>/gates/claim.json",
            caption="../reports/captions/gate.rst",
            category="2. Gates",
            labels={"gate": "claim"},
        ),
    log:
        "<logs>/gate_claim.log",
    benchmark:
        "<benchmarks>/gate_claim.jsonl"
    params:
        settings=gate_settings("claim"),
        record_only="--record-only",
