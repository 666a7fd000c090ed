"""The answer that opens the page: one heading and one sentence, from the primary comparison and its gate."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from workflow_scripts.core import report_format
from workflow_scripts.core.report_sources import COMPARISONS, linked

CLAIM = "gates/claim.json"


@dataclass(frozen=True)
class Answer:
    """What a reader takes away. `kind` is shown, unproven, worse or stopped."""

    kind: str
    heading: str
    sentence: Markup


def primary_place(document: dict, primary: dict) -> int:
    """The place, in a comparisons file, of the entry that compares the primary arms over all items."""
    wanted = (primary["baseline"], primary["candidate"], "overall")
    return next(
        place
        for place, entry in enumerate(document["comparisons"])
        if (entry["baseline"], entry["candidate"], entry["scope"]) == wanted
    )


def missed(gate: dict) -> str:
    """What the gate missed, in words: the first criterion that does not hold, and how many more there are."""
    failed = [criterion for criterion in gate["criteria"] if criterion["decision"] != "pass"]
    first = next(criterion for criterion in failed if criterion["rule"] == gate["rule"])
    bound = {"low": ", lower bound,", "high": ", upper bound,"}.get(first["bound"], "")
    measured = first["measured"]
    value = "could not be measured" if measured is None else f"is {report_format.number(measured)}"
    asked = first["rule"].partition(", otherwise")[0].partition(" ")[2]
    told = f"{report_format.words(first['metric'])}{bound} {value}, asked {asked}"
    more = len(failed) - 1
    return (
        f"{told}; {more} more {'criterion does' if more == 1 else 'criteria do'} not hold" if more else told
    )


def answer(document: dict, primary: dict, gate: dict) -> Answer:
    """Heading and sentence for the primary comparison of a comparisons file and the claim gate's file `gate`.

    Each number of the sentence is a link to its source.
    """
    place = primary_place(document, primary)
    entry = document["comparisons"][place]
    low, high = entry["difference"]["newcombe"]
    kind = _kind(gate["decision"] == "pass", low, high)

    def number(form: Callable, way: str) -> Markup:
        value = entry
        for name in way.split("."):
            value = value[int(name)] if isinstance(value, list) else value[name]
        return linked(form(value), f"{COMPARISONS}#comparisons.{place}.{way}")

    confidence = linked(report_format.percent(document["confidence"], 0), f"{COMPARISONS}#confidence")
    percent, points = report_format.percent, report_format.points
    numbers = Markup(
        "On {} held-out items {} succeeds on {} and {} on {}: a difference of {} percentage points"
        " ({} interval {} to {}, McNemar mid-p = {})"
    ).format(
        number(report_format.count, "n"),
        entry["candidate"],
        number(percent, "candidate_rate.estimate"),
        entry["baseline"],
        number(percent, "baseline_rate.estimate"),
        number(points, "difference.estimate"),
        confidence,
        number(points, "difference.newcombe.0"),
        number(points, "difference.newcombe.1"),
        number(report_format.p_value, "mcnemar.mid_p"),
    )
    if gate["decision"] == "pass":
        verdict = linked("the claim gate passed", CLAIM)
    else:
        reason = Markup('<span data-source="{}">{}</span>').format(CLAIM, missed(gate))
        verdict = Markup("{} ({})").format(linked(f"the claim gate says {gate['decision']}", CLAIM), reason)
    sentence = Markup("{}; {}.{}").format(numbers, verdict, _by_clusters(entry.get("clusters"), number))
    return Answer(kind, HEADINGS[kind].format(**entry), sentence)


def _by_clusters(clusters: dict | None, number: Callable) -> Markup:
    """The wider interval that is left when templates, not items, are what was sampled; empty without any."""
    if not clusters or not clusters["interval"]:
        return Markup("")
    bounds = (number(report_format.points, f"clusters.interval.{side}") for side in (0, 1))
    count = number(report_format.count, "clusters.count")
    return Markup(" With the {} templates as units the interval is {} to {}.").format(count, *bounds)


HEADINGS = {
    "shown": "{candidate} improves on {baseline}",
    "worse": "{candidate} is worse than {baseline}",
    "unproven": "No improvement of {candidate} over {baseline} is shown",
    "stopped": "{candidate} scores higher than {baseline}, but the claim does not stand",
}


def _kind(passed: bool, low: float, high: float) -> str:
    if high < 0:
        return "worse"
    if low <= 0:
        return "unproven"
    return "shown" if passed else "stopped"
