"""Pre-registration: what is fixed and stated before there is a result: the analysis plan, and how often the gates err.

Needs the test items and the config. Makes statistics/preregistration.json, which every arm's test responses wait for, and
gates/error_rates.json.
"""


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
