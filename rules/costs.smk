"""Costs: the ledger of what jobs used, and the page of what the run was to cost and what it did.

Needs the plan, the projections, the last files of the run, and what jobs wrote down of their use. Makes
budget/ledger.json and costs.html, which hold times: they differ between two identical runs.
"""


rule cost_ledger:
    input:
        script="workflow_scripts/cost_ledger.py",
        plan="<results>/budget/plan.json",
        projections=collect("<results>/budget/projection-{moment}.json", moment=["pilot", "sft"]),
        automation="<results>/budget/automation.json",
        last=["<results>/gates/claim.json", "<results>/statistics/comparisons.json"],
    output:
        ledger="<results>/budget/ledger.json",
    log:
        "<logs>/cost_ledger.log",
    benchmark:
        "<benchmarks>/cost_ledger.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/cost_ledger.py"),
        environment=environment_digest("envs/analysis.yaml"),
    shell:
        "python -m {params.module} --projections {input.plan:q} {input.projections:q}"
        " --automation {input.automation:q} --ledger {output.ledger:q} 2>&1 | tee {log:q}"


rule cost_page:
    input:
        script="workflow_scripts/cost_page.py",
        plan="<results>/budget/plan.json",
        figure="<results>/budget/frontier.svg",
        projections=collect("<results>/budget/projection-{moment}.json", moment=["pilot", "sft"]),
        ledger="<results>/budget/ledger.json",
        variants="<results>/statistics/variants.json",
        templates=[
            "reports/templates/style.css.j2",
            "reports/templates/sources.html.j2",
            "reports/templates/costs/page.html.jinja",
            "reports/templates/tables.js",
        ],
    output:
        page=report(
            "<reports>/costs.html",
            caption="../reports/captions/costs.rst",
            category="6. Cost",
            labels={"page": "costs"},
        ),
    log:
        "<logs>/cost_page.log",
    benchmark:
        "<benchmarks>/cost_page.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/cost_page.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=cost_page_settings,
    shell:
        "python -m {params.module} --settings {params.settings:q} --plan {input.plan:q} --figure {input.figure:q}"
        " --projections {input.projections:q} --ledger {input.ledger:q} --variants {input.variants:q}"
        " --templates {input.templates:q} --page {output.page:q} 2>&1 | tee {log:q}"
