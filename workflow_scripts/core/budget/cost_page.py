"""The page of what a run was to cost and what it did: plan, projections, ledger, what was dropped."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from workflow_scripts.core.ablations import variant_use
from workflow_scripts.core.budget import figure as figure_of_plan
from workflow_scripts.core.budget.tables import amount, between
from workflow_scripts.core.report_page import read_figure
from workflow_scripts.core.usage_files import RUNNING

PAGE = "costs/page.html.jinja"
MOMENTS = ("plan", "pilot", "sft")  # when projections are made, the oldest first
DEAREST = ("dollars", "gpu_seconds", "wall_seconds")
PLAN, LEDGER = "budget/plan.json", "budget/ledger.json"


def _table(caption: str, header: Sequence[str], rows: Mapping[str, Sequence[str]]) -> dict:
    """A table of texts; `rows` by the places that they are from, `budget/plan.json#stages.0`."""
    return {"caption": caption, "header": header, "rows": rows}


def plan_table(plan: dict) -> dict:
    """Hours and dollars of each stage and of the whole."""
    rows = {}
    for place, stage in enumerate(plan["stages"]):
        sources = ", ".join(sorted({rate["source"] for rate in stage["throughputs"].values()})) or "stated"
        name = stage["stage"] + (f" ({stage['optional']})" if stage["optional"] else "")
        rows[f"{PLAN}#stages.{place}"] = name, between(stage["hours"]), between(stage["dollars"]), sources
    for name in ("core", "optional", "all"):
        sums = plan["total"][name]
        told = between(sums["hours"]), between(sums["dollars"])
        rows[f"{PLAN}#total.{name}"] = f"total: {name}", *told, ""
    return _table("The plan by stage", ("stage", "hours", "dollars", "rates from"), rows)


def frontier_table(plan: dict) -> dict:
    """What each budget buys."""
    rows = {
        f"{PLAN}#frontier.{place}": (
            f"${entry['budget']:g}",
            entry["gpu_name"],
            entry["reach"],
            f"{entry['records']:,}",
            str(len(entry["ablations"])),
            f"{entry['test_items']:,}",
            f"{100 * entry['half_width']['0.5']:.1f} pp",
            "–" if entry["detectable_lift"] is None else f"{100 * entry['detectable_lift']:.1f} pp",
        )
        if entry["affordable"]
        else (f"${entry['budget']:g}", "nothing fits", *[""] * 6)
        for place, entry in enumerate(plan["frontier"])
    }
    header = ("budget", "GPU", "reach", "records", "ablations", "N", "half-width", "detectable lift")
    return _table("What a budget buys", header, rows)


def gpu_table(plan: dict) -> dict:
    """Hours and dollars of the whole run on each GPU, and how it stands to the others."""
    rows = {
        f"{PLAN}#gpus.{place}": (
            entry["name"],
            f"${entry['dollars_per_hour']:g}",
            between(entry["hours"]),
            between(entry["dollars"]),
            figure_of_plan.kind_of(entry),
        )
        for place, entry in enumerate(plan["gpus"])
    }
    return _table("The whole run on each GPU", ("GPU", "an hour", "hours", "dollars", "stands"), rows)


def comparison_table(ledger: dict) -> dict:
    """Projected against used, by stage, in seconds of a GPU."""
    known = {name for used in ledger["by_stage"].values() for name in used["expected_gpu_seconds"]}
    names = [name for name in MOMENTS if name in known]
    rows = {}
    for stage, used in ledger["by_stage"].items():
        expected = [used["expected_gpu_seconds"].get(name) for name in names]
        told = ["–" if seconds is None else f"{seconds:,.0f}" for seconds in expected]
        done = f"{used['jobs_done']} of {used['jobs']}"
        took = f"{used['gpu_seconds']:,.0f}"
        rows[f"{LEDGER}#by_stage.{stage}"] = stage, *told, took, done, amount(used["dollars"])
    header = ("stage", *(f"by {name} (s)" for name in names), "used (s)", "jobs done", "dollars")
    return _table("GPU seconds that were projected, and used", header, rows)


def use_table(caption: str, ledger: dict, part: str) -> dict:
    """What rules or jobs used (`part`: by_rule, by_job), the dearest first, or sessions; and the sum."""
    entries = list(ledger[part].items())
    if part != "by_session":
        entries.sort(key=lambda entry: [-entry[1][name] for name in DEAREST])
    named = [(f"{part}.{name}", name, used) for name, used in entries]
    named.append(("total", "total", ledger["total"]))
    rows = {
        f"{LEDGER}#{place}": (
            name,
            str(used["attempts"]),
            str(used["stopped"] + used["failed"] + used[RUNNING]),
            f"{used['wall_seconds']:,.0f}",
            f"{used['gpu_seconds']:,.0f}",
            amount(used["dollars"]),
            f"{used['peak_gpu_bytes'] / 1e9:.1f}",
            f"{used['peak_rss_bytes'] / 1e9:.1f}",
            *(
                f"{used['counts'].get(kind, 0):,.0f}"
                for kind in ("prompt_tokens", "generated_tokens", "judged_tokens", "training_tokens")
            ),
        )
        for place, name, used in named
    }
    header = ("attempts", "not completed", "wall s", "GPU s", "dollars", "GPU GB", "host GB")
    first = part.removeprefix("by_")
    return _table(caption, (first, *header, "prompt tokens", "generated", "judged", "trained"), rows)


def dropped_table(entries: Sequence[dict]) -> dict:
    """What was left out, in the order in which it was."""
    rows = {
        f"{PLAN}#dropped.{place}": (f"dpo-{entry['variant']}", entry["kind"], amount(entry["dollars"]))
        for place, entry in enumerate(entries)
    }
    return _table("Left out, so that the cap is kept", ("arm", "kind", "expected dollars"), rows)


def variant_table(overview: dict, ledger: dict) -> dict:
    """What each DPO variant used by itself, beside what it brought; the shared stages before it left out."""
    rows = {}
    for place, variant in enumerate(overview["variants"]):
        used, found = variant_use(ledger["by_job"], variant["variant"]), variant["against_main"]
        brought = "–" if found is None else f"{100 * found['difference']['value']:+.1f} pp"
        varies = ", ".join(entry["field"] for entry in variant["varies"]) or "–"
        told = (f"{used['gpu_seconds']:,.0f}", amount(used["dollars"]), str(used["jobs"]))
        success = f"{100 * variant['success']['value']:.1f} %"
        rows[f"statistics/variants.json#variants.{place}"] = variant["arm"], varies, success, brought, *told
    header = ("arm", "varies", "success", "against main", "GPU s", "dollars", "jobs with a model")
    return _table("What each DPO variant cost beside what it brought", header, rows)


def page_content(
    plan: dict, projections: Mapping[str, dict], ledger: dict, variants: dict, figure: Path
) -> dict:
    """What the page tells. `projections` by file, oldest first; `variants` the overview of DPO variants."""
    last, projection = list(projections.items())[-1]
    spent, cap = ledger["total"]["dollars"], plan["cap"]
    limit = "There is no cap" if cap is None else f"The cap is ${cap:g}"
    whole = plan["total"]["all"]["dollars"]
    sections = [
        {
            "title": "Projected and used",
            "text": "The plan is from the configuration and the catalogue; later projections are from what"
            " the jobs of this run had measured by then. Each stands beside what the jobs of a stage used.",
            "tables": [comparison_table(ledger)],
        },
        {
            "title": "The ledger",
            "text": "What jobs wrote down themselves, killed and failed ones too. Dollars are GPU seconds"
            " times the price; jobs without a model cost nothing here, though a rented machine runs on.",
            "tables": [
                use_table("By rule", ledger, "by_rule"),
                use_table("By session", ledger, "by_session"),
                use_table("Jobs with a model", ledger, "by_job"),
            ],
        },
        {
            "title": "DPO variants",
            "text": "GPU seconds of training and of answering. Data, SFT, candidates and pairs are shared: an"
            " ablation adds no more than its row, and the pairs of a pair set of its own need no model.",
            "tables": [variant_table(variants, ledger)],
        },
        {
            "title": "The plan",
            "text": "Low and high bounds are those of the worst cases together.",
            "tables": [plan_table(plan), frontier_table(plan), gpu_table(plan)],
            "figure": read_figure(figure),
        },
    ]
    if plan["dropped"]:
        text = "Optional work goes first, in the order that the configuration gives, where a projection"
        text += " passes the cap by more than the tolerance. Raise the cap and run again, and it is made."
        entry = {"title": "What was dropped", "text": text, "tables": [dropped_table(plan["dropped"])]}
        sections.insert(0, entry)
    gpu = plan["gpu"]
    return {
        "heading": f"${amount(spent)} spent",
        "sentence": f"Planned: ${between(whole)} on {gpu['name']} at ${gpu['dollars_per_hour']:g} an hour."
        f" {limit}.",
        "measured": projection["measured"],
        "measured_in": last,
        "sections": sections,
    }
