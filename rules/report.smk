"""Report: tables, figures and the summary page, made from the files of the run and from nothing else.

Needs the evaluation, the statistics, the audits, the trainings and all gates. Makes tables/*.csv, figures/*.svg and
reports/summary.html. Snakemake's own `--report` shows the same figures and tables with the captions of reports/captions/.
"""

REPORT_TABLES = [
    "arms",
    "types",
    "comparisons",
    "funnel",
    "metrics",
    "histograms",
    "reliability",
    "roc",
    "critic_groups",
    "training",
    "reasons",
    "audit_arms",
    "gates",
    "differing_items",
    "identity",
    "record_files",
    "files",
]
# Figure -> category in Snakemake's report.
REPORT_FIGURES = {
    "arms": "1. Answer",
    "differences": "1. Answer",
    "types": "1. Answer",
    "funnel": "3. Data",
    "answer_tokens": "3. Data",
    "verdict_margins": "3. Data",
    "reliability": "3. Data",
    "roc": "3. Data",
    "pair_margins": "3. Data",
    "training_loss": "4. Training",
    "dev_success": "4. Training",
    "reward_margins": "4. Training",
}
REPORT_CONFIG = {key: value for key, value in config.items() if key != "pathvars"}


def report_gates():
    """Every gate's file, in the order in which the run meets them."""
    pair_sets = sorted({variant["pair_set"] for variant in config["dpo"]["variants"].values()})
    names = ["contamination", "test_set", "headroom", "critic", "pilot", "generation", "leakage", "sft"]
    names += [f"pairs-{pair_set}" for pair_set in pair_sets] + ["dpo", "claim"]
    return [f"<results>/gates/{name}.json" for name in names]


def report_metrics():
    """Every metrics file, in the order of the run."""
    pair_sets = sorted({variant["pair_set"] for variant in config["dpo"]["variants"].values()})
    return [
        "<results>/base/guard.json",
        "<results>/test_set/audit.json",
        "<results>/headroom/headroom.json",
        "<results>/critic/calibration.json",
        "<results>/pilot/qc.json",
        "<results>/sft_data/qc.json",
        "<results>/sft_data/overlap.json",
        *[f"<results>/preferences/{pair_set}/audit.json" for pair_set in pair_sets],
        "<results>/evaluation/audit.json",
    ]


def report_runs(name):
    """One file of every training run: sft, sft-longer and each DPO variant."""
    variants = [f"dpo/{variant}" for variant in config["dpo"]["variants"]]
    return [f"<results>/models/{run}/{name}" for run in ["sft", "sft-longer", *variants]]


def report_records():
    """Every record file besides items, responses and scores."""
    pair_sets = sorted({variant["pair_set"] for variant in config["dpo"]["variants"].values()})
    shards = shard_ids(config["generation"]["shards"])
    candidate_shards = shard_ids(config["preferences"]["shards"])
    return [
        "<results>/pilot/records.parquet",
        *[f"<results>/generation/shard-{shard}.parquet" for shard in shards],
        "<results>/sft_data/train.parquet",
        *[f"<results>/preferences/candidates/shard-{shard}.parquet" for shard in candidate_shards],
        *[f"<results>/preferences/{pair_set}/pairs.parquet" for pair_set in pair_sets],
    ]


def stage_code():
    """{rule: digest of its module and all it imports}, for every rule above that has one."""
    codes = {rule.name: rule.params.get("code") for rule in workflow.rules}
    return {name: digest for name, digest in codes.items() if isinstance(digest, str)}


rule report_tables:
    input:
        script="workflow_scripts/report_tables.py",
        identity="<results>/base/model.json",
        questions="<results>/test_set/test.parquet",
        scores=collect("<results>/evaluation/{arm}/scores.parquet", arm=arms()),
        responses=collect("<results>/evaluation/{arm}/responses.parquet", arm=arms()),
        comparisons="<results>/statistics/comparisons.json",
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
        " --comparisons {input.comparisons:q} --metrics {input.metrics:q} --gates {input.gates:q}"
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
        templates=sorted(map(str, Path("reports/templates").rglob("*.j2"))),
        captions=sorted(map(str, Path("reports/captions").glob("*.rst"))),
    output:
        page=report(
            "<reports>/summary.html",
            caption="../reports/captions/summary.rst",
            category="1. Answer",
            labels={"page": "summary"},
        ),
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
        settings=canonical_json({"config": REPORT_CONFIG, "code": stage_code()}),
    shell:
        "python -m {params.module} --settings {params.settings:q} --comparisons {input.comparisons:q}"
        " --gates {input.gates:q} --tables {input.tables:q} --figures {input.figures:q}"
        " --templates {input.templates:q} --captions {input.captions:q} --page {output.page:q} 2>&1 | tee {log:q}"
