"""The arms of the evaluation: what each answers with, what stands before its answers, which pairs are compared.

Needs the config and rules/common.smk.
"""


def arms():
    """Every arm of the evaluation, in the order of the report."""
    return [
        "base_raw",
        "base",
        "sft",
        "sft-longer",
        *[f"dpo-{variant}" for variant in sorted(config["dpo"]["variants"])],
    ]


def arm_model(wildcards):
    """The model that an arm answers with: the base's identity file or a merged directory."""
    return {
        "base_raw": "<results>/base/model.json",
        "base": "<results>/base/model.json",
        "sft": "<results>/models/sft-merged",
        "sft-longer": "<results>/models/sft-longer-merged",
    }.get(wildcards.arm, f"<results>/models/{wildcards.arm}-merged")


def arm_manifest(wildcards):
    """What stands for the arm's model in the rerun contract: a directory has no checksum, so its times are not asked."""
    model = arm_model(wildcards)
    return model if model.endswith(".json") else f"{model}.json"


def arm_template(wildcards):
    """The bare instruction for the control arm, the completion format for all others."""
    return config["prompts"]["raw" if wildcards.arm == "base_raw" else "completion"]


def arm_gates(wildcards):
    """The gates that stand before an arm's answers: contamination always, dpo before the DPO arms meet the test items."""
    gates = ["<results>/gates/contamination.json", "<results>/gates/test_set.json"]
    if wildcards.evaluation == "evaluation" and wildcards.arm.startswith("dpo-"):
        gates.append("<results>/gates/dpo.json")
    return gates


def arm_registration(wildcards):
    """The registered plan, which exists before any arm answers a test item; dev answers need none."""
    return "<results>/statistics/preregistration.json" if wildcards.evaluation == "evaluation" else []


def evaluation_items(wildcards):
    """The test items for `evaluation`, the dev items for `dev_evaluation`."""
    return (
        "<results>/test_set/test.parquet"
        if wildcards.evaluation == "evaluation"
        else "<results>/test_set/dev.parquet"
    )


def primary_arms():
    """The two arms that the claim compares, baseline first."""
    return [config["statistics"]["primary"][role] for role in ("baseline", "candidate")]


def comparisons():
    """The pairs of arms to compare, primary first."""
    primary = (config["statistics"]["primary"]["baseline"], config["statistics"]["primary"]["candidate"])
    steps = [("base_raw", "base"), ("base", "sft"), ("sft", "sft-longer")]
    for variant in sorted(config["dpo"]["variants"]):
        steps += [("base", f"dpo-{variant}"), ("sft", f"dpo-{variant}"), ("sft-longer", f"dpo-{variant}")]
        if variant != PRIMARY_VARIANT:
            steps.append((f"dpo-{PRIMARY_VARIANT}", f"dpo-{variant}"))
    return [primary, *[pair for pair in steps if pair != primary]]


def variant_settings():
    """What the overview of all DPO variants tells of each: its settings and those of its pair set."""
    variants = config["dpo"]["variants"]
    pair_sets = sorted({variant["pair_set"] for variant in variants.values()})
    sets = {name: config["preferences"]["sets"][name] for name in pair_sets}
    return canonical_json({"main": PRIMARY_VARIANT, "variants": variants, "sets": sets})


def comparison_settings():
    """The statistics' settings with the pairs of arms to compare."""
    return canonical_json({"statistics": {**config["statistics"], "comparisons": comparisons()}})


def registration_settings():
    """What is registered: the statistics with the pairs of arms to compare, and the criteria of the claim."""
    statistics = {**config["statistics"], "comparisons": comparisons()}
    return canonical_json({"statistics": statistics, "claim": config["gates"]["claim"]})
