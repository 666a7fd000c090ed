"""The rows of the report's tables about what went into the run: base, test items, critic, data, pairs."""

from workflow_scripts.core.hashing import canonical_json
from workflow_scripts.core.report_evidence import bounded, flat

RULES = {"detector": "detector", "length_rule": "length alone, above 500 characters"}


def _counts(by: str, counts: dict[str, dict[str, int]]) -> dict[str, dict]:
    """{name: row} of items per split, from {split: {name: count}}."""
    names = dict.fromkeys(name for split in counts.values() for name in split)
    return {
        name: {"by": by, "name": name, **{split: counts[split].get(name, 0) for split in counts}}
        for name in names
    }


def item_rows(audit: dict) -> list[dict]:
    """Items per type, per family and per template, with the room that each type has."""
    types = _counts("type", audit["items_by_type"])
    for kind, ratio in audit["capacity_ratio_by_type"].items():
        types[kind]["capacity_ratio"] = ratio
    families = _counts("family", audit["items_by_family"])
    templates = [
        {"by": "template", "name": name, "all": count} for name, count in audit["items_by_phrasing"].items()
    ]
    return [*types.values(), *families.values(), *templates]


def check_rows(audit: dict) -> list[dict]:
    """What each kind of check was tried on, and how often it erred."""
    return [{"check": kind, **counts} for kind, counts in audit["checks"].items()]


def prompt_rows(guard: dict) -> list[dict]:
    """How many prompts of each template or file the guard looked at."""
    return [{"source": name, "prompts": count} for name, count in guard["prompts_by_source"].items()]


def control_rows(guard: dict) -> list[dict]:
    """The guard's negative control, by chat format."""
    return [{"format": name, **counts} for name, counts in guard["negative_control"].items()]


def sentinel_rows(report: dict) -> list[dict]:
    """The rate of each sign of an assistant, beside the one on record for these weights."""
    recorded = report["deviations"] or {}
    rows = []
    for name, metric in report["metrics"].items():
        if name not in ("sentinels", "deviation_p"):
            known = {key: recorded.get(name, {}).get(key) for key in ("recorded", "p", "adjusted_p")}
            row = {"metric": name, **{key: metric.get(key) for key in ("value", "low", "high", "n")}}
            rows.append(row | known)
    return rows


def sentinel_kind_rows(report: dict) -> list[dict]:
    """The rate of each sign by kind of sentinel."""
    return [
        {"kind": kind, "metric": name, **{key: found[key] for key in ("value", "low", "high", "n")}}
        for kind, rates in report["rates_by_kind"].items()
        for name, found in rates.items()
    ]


def critic_prior_rows(calibration: dict) -> list[dict]:
    """What the critic says of answers without content, by principle; their mean; what is taken off."""
    judged = [(f"“{part['text']}”", part["by_principle"]) for part in calibration["content_free"]]
    judged += [("mean", calibration["content_free_prior"]), ("taken off", calibration["prior"])]
    return [
        {"text": text, "principle": principle, "margin": margin}
        for text, margins in judged
        for principle, margin in margins.items()
    ]


def p_yes_rows(calibration: dict) -> list[dict]:
    """What P(yes) is worth as a probability, with and without the prior taken off."""
    done = {"without_prior": "left in", "with_prior": "taken off"}
    return [{"prior": done[name], **found} for name, found in calibration["worth_of_p_yes"].items()]


def overlap_tables(overlap: dict) -> dict[str, list[dict]]:
    """What was compared, how, what was removed and what is left."""
    return {
        "overlaps": overlap["counts"],
        "overlap_methods": [
            {
                "method": method["name"],
                "description": method["description"],
                "parameters": ", ".join(
                    f"{name} {canonical_json(value)}" for name, value in flat(method["parameters"])
                )
                or None,
            }
            for method in overlap["methods"]
        ],
        "overlap_sets": [
            *[
                {"set": name, "texts": found["texts"], "sha256": found["sha256"]}
                for name, found in overlap["sets"].items()
            ],
            {
                "set": "training data",
                "texts": int(overlap["metrics"]["examples"]["value"]),
                "sha256": overlap["train_sha256"],
            },
        ],
        "overlap_examples": overlap["examples"],
        "removed_records": overlap["removed"],
    }


def detector_rows(report: dict) -> list[dict]:
    """Each detector on labelled responses, and a rule on length alone on the same ones."""
    rows = []
    for name, found in report["detectors"].items():
        for rule, figures in (("detector", found), ("length_rule", found["length_rule"])):
            row = {"detector": name, "rule": RULES[rule], "fired": figures["precision"]["n"]}
            row |= {"positives": figures["recall"]["n"], "negatives": figures["false_positive_rate"]["n"]}
            for figure in ("precision", "recall", "false_positive_rate"):
                row |= bounded(figure, figures[figure])
            rows.append(row)
    return rows


def opening_rows(reports: dict[str, dict]) -> list[dict]:
    """How records end, why they were refused, and how instructions begin."""
    rows = []
    for source, report in reports.items():
        counted = {kind: report[kind] for kind in ("finish_reasons", "rejected_reasons")}
        counted["openings"] = {entry["opening"]: entry["count"] for entry in report["openings"]}
        rows += [
            {"source": source, "kind": kind, "name": name, "count": count}
            for kind, counts in counted.items()
            for name, count in counts.items()
        ]
    return rows


def record_example_rows(reports: dict[str, dict]) -> list[dict]:
    """Some records of each outcome."""
    return [
        {
            "source": source,
            "outcome": outcome,
            "instruction": record["instruction"],
            "response": record["response_raw"],
            "finish_reason": record["finish_reason"],
            "margin": record["verdict_margin"],
        }
        for source, report in reports.items()
        for outcome, records in report["examples"].items()
        for record in records
    ]


def pair_tables(audits: dict[str, dict]) -> dict[str, list[dict]]:
    """What tells chosen from rejected, the distribution of margins, and examples, of every pair set."""
    named = audits.items()
    return {
        "telling_words": [
            {"source": name, **word} for name, audit in named for word in audit["telling_words"]
        ],
        "margin_quantiles": [
            {"source": name, **part} for name, audit in named for part in audit["margin_quantiles"]
        ],
        "pair_examples": [
            {"source": name, "which": which, **pair}
            for name, audit in named
            for which, pairs in audit["examples"].items()
            for pair in pairs
        ],
    }


def dev_count_rows(reports: dict[str, dict]) -> list[dict]:
    """The paired outcomes on dev that the gates on a lift rest on."""
    return [{"source": source, **report["counts"]} for source, report in reports.items()]


def dev_type_rows(reports: dict[str, dict]) -> list[dict]:
    """Success and lifts on dev by type, of the headroom and of the gates on a lift."""
    rows = []
    for source, report in reports.items():
        for kind, found in report["types"].items():
            measured = {"lift": found} if "value" in found else found
            rows += [
                {
                    "source": source,
                    "type": kind,
                    "arm": name,
                    "metric": "lift" if name == "lift" else "success_rate",
                    **{key: metric.get(key) for key in ("value", "low", "high", "n")},
                }
                for name, metric in measured.items()
            ]
    return rows


def data_tables(reports: dict[str, dict]) -> dict[str, list[dict]]:
    """Every table of this module, from the metrics files by their names."""

    def of_stage(stage: str) -> dict[str, dict]:
        return {name: report for name, report in reports.items() if report["stage"] == stage}

    guard, sentinels = reports["base/guard"], reports["base/sentinels"]
    items, calibration = reports["test_set/audit"], reports["critic/calibration"]
    return {
        "prompts": prompt_rows(guard),
        "negative_control": control_rows(guard),
        "sentinels": sentinel_rows(sentinels),
        "sentinel_kinds": sentinel_kind_rows(sentinels),
        "sentinel_answers": sentinels["outcomes"],
        "item_counts": item_rows(items),
        "checks": check_rows(items),
        "critic_prior": critic_prior_rows(calibration),
        "p_yes": p_yes_rows(calibration),
        "detectors": detector_rows(reports["sft_data/qc"]),
        "openings": opening_rows(of_stage("generation_qc")),
        "record_examples": record_example_rows(of_stage("generation_qc")),
        "dev_counts": dev_count_rows(of_stage("dev_lift")),
        "dev_types": dev_type_rows(of_stage("headroom") | of_stage("dev_lift")),
        **overlap_tables(reports["sft_data/overlap"]),
        **pair_tables(of_stage("audit_pairs")),
    }
