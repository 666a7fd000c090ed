"""Pre-registration: what is fixed and stated before there is a result: the analysis plan, and how often the gates err.

Needs the test items and the config. Makes statistics/preregistration.json, which every arm's test responses wait for, and
gates/error_rates.json.
"""


def comparisons():
    """The pairs of arms to compare, primary first."""
    primary = (config["statistics"]["primary"]["baseline"], config["statistics"]["primary"]["candidate"])
    steps = [("base_raw", "base"), ("base", "sft"), ("sft", "sft-longer")]
    for variant in sorted(config["dpo"]["variants"]):
        steps += [("base", f"dpo-{variant}"), ("sft", f"dpo-{variant}"), ("sft-longer", f"dpo-{variant}")]
    return [primary, *[pair for pair in steps if pair != primary]]


def comparison_settings():
    """The statistics' settings with the pairs of arms to compare."""
    return canonical_json({"statistics": {**config["statistics"], "comparisons": comparisons()}})


def registration_settings():
    """What is registered: the statistics with the pairs of arms to compare, and the criteria of the claim."""
    statistics = {**config["statistics"], "comparisons": comparisons()}
    return canonical_json({"statistics": statistics, "claim": config["gates"]["claim"]})


def gate_error_settings():
    """What the error rates of the gates on a lift depend on."""
    return canonical_json(
        {
            "gates": {gate: config["gates"][gate] for gate in ("sft", "dpo")},
            "n": config["test_set"]["sizes"]["dev"],
            "confidence": config["statistics"]["confidence"],
            "planned_discordance": config["statistics"]["planned_discordance"],
        }
    )


rule preregister:
    input:
        script="workflow_scripts/preregister.py",
        questions="<results>/test_set/test.parquet",
    output:
        # Kept while the job runs again: the first plan stays on record, and a later one is appended.
        registration=update("<results>/statistics/preregistration.json"),
    log:
        "<logs>/preregister.log",
    benchmark:
        "<benchmarks>/preregister.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/preregister.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=registration_settings(),
        responses=workflow.pathvars.apply("<results>/evaluation"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --items {input.questions:q}"
        " --responses {params.responses:q} --registration {output.registration:q} 2>&1 | tee {log:q}"


rule gate_error_rates:
    input:
        script="workflow_scripts/gate_error_rates.py",
    output:
        report="<results>/gates/error_rates.json",
    log:
        "<logs>/gate_error_rates.log",
    benchmark:
        "<benchmarks>/gate_error_rates.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/gate_error_rates.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=gate_error_settings(),
    shell:
        "python -m {params.module} --settings {params.settings:q} --report {output.report:q} 2>&1 | tee {log:q}"
