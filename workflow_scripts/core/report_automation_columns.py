"""The report's tables of DPO variants and of what people did: their columns."""

from workflow_scripts.core.report_cells import Column

AUTOMATION_TABLES = {
    "variants": (
        Column("arm", "Arm", "code"),
        Column("kind", "Kind", "words"),
        Column("varies", "Varies"),
        Column("pair_set", "Pairs", "code"),
        Column("pairs", "How many", "count"),
        Column("steps", "Steps", "count"),
        Column("tokens_seen", "Tokens seen", "count"),
        Column("dev_success", "Success on dev", "rate"),
        Column("success", "Success", "rate", ("success_low", "success_high")),
        Column("difference", "Against main, points", "points", ("difference_low", "difference_high")),
        Column("only_main", "Only main", "count"),
        Column("only_variant", "Only variant", "count"),
        Column("mid_p", "McNemar mid-p", "p"),
        Column("adjusted_p", "Adjusted p", "p"),
        Column("significant", "Significant", "flag"),
        Column("minimum_detectable_effect", "Smallest detectable difference, points", "points"),
    ),
    "gate_attempts": (
        Column("gate", "Gate", "code"),
        Column("attempt", "Attempt", "count"),
        Column("criteria", "Criteria", "count"),
        Column("hold", "That hold", "count"),
        Column("passed", "Passed", "flag"),
    ),
    "pass_rates": (
        Column("attempt", "Attempt", "count"),
        Column("gates", "Gates judged", "count"),
        Column("passed", "That passed", "count"),
        Column("share", "Share", "rate"),
    ),
    "record_checks": (
        Column("stage", "Stage"),
        Column("generated", "Records generated", "count"),
        Column("clean", "Pass the automatic checks", "count"),
        Column("clean_share", "Of those generated", "rate"),
        Column("accepted", "Pass the critic, too", "count"),
        Column("accepted_share", "Of those checked", "rate"),
    ),
}
