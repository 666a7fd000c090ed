"""Manifest: one list of all files that a run made and was made from, with their SHA-256, for whoever checks them later.

Needs every other file of the run. Makes manifest.json, which `make verify`, `make diff` and `make share` read.
"""


include: "manifest_inputs.smk"


rule manifest:
    input:
        script="workflow_scripts/manifest.py",
        made=made_files,
        given=given_files,
    output:
        manifest="<results>/manifest.json",
    log:
        "<logs>/manifest.log",
    benchmark:
        "<benchmarks>/manifest.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/manifest.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=manifest_settings,
        reports=workflow.pathvars.apply("<reports>"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --made {input.made:q} --given {input.given:q}"
        " --reports {params.reports:q} --manifest {output.manifest:q} 2>&1 | tee {log:q}"
