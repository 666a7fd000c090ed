"""The overview of all DPO variants: what each varies, its training, and how it compares with the main one."""

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.variants import kind, varied


def _entry(document: dict, baseline: str, candidate: str) -> dict:
    """The comparison of two arms over all items. InputError where the file has none."""
    for entry in document["comparisons"]:
        if (entry["baseline"], entry["candidate"], entry["scope"]) == (baseline, candidate, "overall"):
            return entry
    remedy = "these two arms were not compared: add the pair to the comparisons"
    raise InputError(field="comparisons", value=[baseline, candidate], remedy=remedy)


def _against(document: dict, baseline: str, candidate: str) -> dict:
    """What a comparison says of the candidate, with Newcombe's interval for the difference."""
    entry = _entry(document, baseline, candidate)
    low, high = entry["difference"]["newcombe"]
    return {
        "difference": {"value": entry["difference"]["estimate"], "low": low, "high": high, "n": entry["n"]},
        "only_baseline": entry["only_baseline"],
        "only_candidate": entry["only_candidate"],
        "mid_p": entry["mcnemar"]["mid_p"],
        "adjusted_p": entry["adjusted_p"],
        "level": entry["level"],
        "significant": entry["significant"],
        "minimum_detectable_effect": entry["minimum_detectable_effect"],
    }


def _variant(name: str, settings: dict, document: dict, training: dict) -> dict:
    """One variant's row; `settings` as `overview` has them."""
    variants, main = settings["variants"], settings["main"]
    variant, arm = variants[name], f"dpo-{name}"
    against_sft = _entry(document, "sft", arm)
    success, pair_set = against_sft["candidate_rate"], settings["sets"][variant["pair_set"]]
    return {
        "variant": name,
        "arm": arm,
        "kind": kind(variants[main], variant),
        "varies": varied(variants[main], variant),
        "pair_set": variant["pair_set"],
        "candidates": pair_set["candidates"],
        "min_margin": pair_set["min_margin"],
        "pairs": training["examples"],
        "steps": training["steps"],
        "tokens_seen": training["tokens_seen"],
        "dev_success": training["best_dev_success"],
        "success": {
            "value": success["estimate"],
            "low": success["low"],
            "high": success["high"],
            "n": against_sft["n"],
        },
        "against_main": None if name == main else _against(document, f"dpo-{main}", arm),
        "against_sft": _against(document, "sft", arm),
    }


def variant_use(by_job: dict[str, dict], name: str) -> dict:
    """{gpu_seconds, dollars, jobs}: what a variant's own jobs used, from a ledger's entries by job.

    Its jobs are those whose part is the variant (training) or its arm (answers on dev and test, repeats).
    """
    own = []
    for job, used in by_job.items():
        if job == f"train_dpo {name}" or f"dpo-{name}" in job.partition(" ")[2].split("/"):
            own.append(used)
    sums = {field: sum(used[field] for used in own) for field in ("gpu_seconds", "dollars")}
    return {**sums, "jobs": len(own)}


def overview(settings: dict, document: dict, trainings: dict[str, dict]) -> dict:
    """Every variant, the main one first, the others by name.

    settings: {"main": name, "variants": {name: variant}, "sets": {name: pair set}}; document: a comparisons
    file; trainings: {variant: its training.json}. InputError where a training has no record.
    """
    others = sorted(settings["variants"].keys() - {settings["main"]})
    names = [settings["main"], *others]
    missing = [name for name in names if name not in trainings]
    if missing:
        remedy = "this variant has no training record: train it first"
        raise InputError(field="dpo.variants", value=missing[0], remedy=remedy)
    return {
        "stage": "variant_overview",
        "main": settings["main"],
        "confidence": document["confidence"],
        "variants": [_variant(name, settings, document, trainings[name]) for name in names],
    }
