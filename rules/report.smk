"""Report: tables, figures and the summary page, made from the files of the run and from nothing else.

Needs the evaluation, the statistics, the audits, the trainings and all gates. Makes tables/*.csv, figures/*.svg and
reports/summary.html. Snakemake's own `--report` shows the same figures and tables with the captions of reports/captions/.
"""


include: "report_inputs.smk"


rule report_tables:
    input:
        script="workflow_scripts/report_tables.py",
        identity="<results>/base/model.json",
        questions="<results>/test_set/test.parquet",
        scores=collect("<results>/evaluation/{arm}/scores.parquet", arm=arms()),
        responses=collect("<results>/evaluation/{arm}/responses.parquet", arm=arms()),
        comparisons="<results>/statistics/comparisons.json",
        registration="<results>/statistics/preregistration.json",
        variants="<results>/statistics/variants.json",
        metrics=report_metrics(),
        gates=report_gates(),
        training_reports=report_runs("training.json"),
        training_metrics=report_runs("metrics.parquet"),
        records=report_records(),
    output:
        tables=[
            report(
                f"<results>/tables/{table}.csv",
                caption="../reports/captions/tables.rst",
                category="5. Tables",
                labels={"table": table.replace("_", " ")},
            )
            for table in REPORT_TABLES
        ],
    log:
        "<logs>/report_tables.log",
    benchmark:
        "<benchmarks>/report_tables.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/report_tables.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=settings("statistics"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --identity {input.identity:q}"
        " --items {input.questions:q} --scores {input.scores:q} --responses {input.responses:q}"
        " --comparisons {input.comparisons:q} --registration {input.registration:q} --variants {input.variants:q}"
        " --metrics {input.metrics:q} --gates {input.gates:q}"
        " --training-reports {input.training_reports:q} --training-metrics {input.training_metrics:q}"
        " --records {input.records:q} --tables {output.tables:q} 2>&1 | tee {log:q}"


rule report_figures:
    input:
        script="workflow_scripts/report_figures.py",
        tables=collect("<results>/tables/{table}.csv", table=REPORT_TABLES),
    output:
        figures=[
            report(
                f"<results>/figures/{figure}.svg",
                caption=f"../reports/captions/{figure}.rst",
                category=category,
                labels={"figure": figure.replace("_", " ")},
            )
            for figure, category in REPORT_FIGURES.items()
        ],
    log:
        "<logs>/report_figures.log",
    benchmark:
        "<benchmarks>/report_figures.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/report_figures.py"),
        environment=environment_digest("envs/analysis.yaml"),
    shell:
        "python -m {params.module} --tables {input.tables:q} --figures {output.figures:q} 2>&1 | tee {log:q}"


rule summary_page:
    input:
        script="workflow_scripts/summary_page.py",
        comparisons="<results>/statistics/comparisons.json",
        gates=report_gates(),
        tables=collect("<results>/tables/{table}.csv", table=REPORT_TABLES),
        figures=collect("<results>/figures/{figure}.svg", figure=REPORT_FIGURES),
        plan="<results>/budget/plan.json",
        frontier="<results>/budget/frontier.svg",
        ledger="<results>/budget/ledger.json",
        templates=[*sorted(map(str, Path("reports/templates").rglob("*.j2"))), "reports/templates/tables.js"],
        captions=sorted(map(str, Path("reports/captions").glob("*.rst"))),
    output:
        page=report(
            "<reports>/summary.html",
            caption="../reports/captions/summary.rst",
            category="1. Answer",
            labels={"page": "summary"},
        ),
        configuration="<results>/config.yaml",
    log:
        "<logs>/summary_page.log",
    benchmark:
        "<benchmarks>/summary_page.jsonl"
    conda:
        "../envs/analysis.yaml"
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/summary_page.py"),
        environment=environment_digest("envs/analysis.yaml"),
        settings=summary_settings,
    shell:
        "python -m {params.module} --settings {params.settings:q} --comparisons {input.comparisons:q}"
        " --gates {input.gates:q} --tables {input.tables:q} --figures {input.figures:q}"
        " --plan {input.plan:q} --frontier {input.frontier:q} --ledger {input.ledger:q}"
        " --templates {input.templates:q} --captions {input.captions:q}"
        " --configuration {output.configuration:q} --page {output.page:q} 2>&1 | tee {log:q}"
