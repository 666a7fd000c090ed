"""What the report is made of: names of its tables and figures, and the files of the run that it reads.

Included by report.smk alone.
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
    "registration",
    "amendments",
    "deviations",
    "detectable",
    "planned_power",
    "error_rates",
    "repeats",
    "length_by_type",
    "influence",
    "failures",
    "labels",
    "label_disagreements",
    "prompts",
    "negative_control",
    "sentinels",
    "sentinel_kinds",
    "sentinel_answers",
    "item_counts",
    "checks",
    "critic_prior",
    "p_yes",
    "overlaps",
    "overlap_methods",
    "overlap_sets",
    "overlap_examples",
    "removed_records",
    "detectors",
    "openings",
    "record_examples",
    "telling_words",
    "margin_quantiles",
    "pair_examples",
    "dev_counts",
    "dev_types",
    "variants",
    "gate_attempts",
    "pass_rates",
    "record_checks",
    "numbers",
]
# Figure -> category in Snakemake's report.
REPORT_FIGURES = {
    "arms": "1. Answer",
    "differences": "1. Answer",
    "types": "1. Answer",
    "influence": "1. Answer",
    "gate_errors_sft": "2. Gates",
    "gate_errors_dpo": "2. Gates",
    "sentinel_rates": "3. Data",
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


def run_metrics():
    """What every stage of the run measured, in the order of the run."""
    pair_sets = sorted({variant["pair_set"] for variant in config["dpo"]["variants"].values()})
    return [
        "<results>/base/guard.json",
        "<results>/base/sentinels.json",
        "<results>/test_set/audit.json",
        "<results>/headroom/headroom.json",
        "<results>/critic/calibration.json",
        "<results>/pilot/qc.json",
        "<results>/sft_data/qc.json",
        "<results>/sft_data/overlap.json",
        "<results>/dev_evaluation/base-vs-sft.json",
        *[f"<results>/preferences/{pair_set}/audit.json" for pair_set in pair_sets],
        f"<results>/dev_evaluation/sft-vs-dpo-{PRIMARY_VARIANT}.json",
        "<results>/gates/error_rates.json",
        "<results>/evaluation/audit.json",
    ]


def report_metrics():
    """Every metrics file: those of the run, of people's edits, and of how much went by itself."""
    edits = ["<results>/edits/edits.json"] if config["generation"]["edits"] else []
    return [*run_metrics(), *edits, "<results>/budget/automation.json"]


def report_runs(name):
    """One file of every training run: sft, sft-longer and each DPO variant."""
    variants = [f"dpo/{variant}" for variant in sorted(config["dpo"]["variants"])]
    return [f"<results>/models/{run}/{name}" for run in ["sft", "sft-longer", *variants]]


def report_records():
    """Every record file besides items, responses and scores."""
    pair_sets = sorted({variant["pair_set"] for variant in config["dpo"]["variants"].values()})
    shards = shard_ids(config["generation"]["shards"])
    candidate_shards = shard_ids(config["preferences"]["shards"])
    return [
        "<results>/pilot/records.parquet",
        *[f"<results>/generation/shard-{shard}.parquet" for shard in shards],
        *(["<results>/edits/records.parquet"] if config["generation"]["edits"] else []),
        "<results>/sft_data/train.parquet",
        *[f"<results>/preferences/candidates/shard-{shard}.parquet" for shard in candidate_shards],
        *[f"<results>/preferences/{pair_set}/pairs.parquet" for pair_set in pair_sets],
        *[
            f"<results>/evaluation_repeats/{arm}/{repeat}.parquet"
            for arm in primary_arms()
            for repeat in ("same", "other_batch")
        ],
    ]
