"""The answer that opens the page: one heading and one sentence, from the primary comparison and its gate."""

from dataclasses import dataclass

from workflow_scripts.core import report_format


@dataclass(frozen=True)
class Answer:
    """What a reader takes away. `kind` is shown, unproven, worse or stopped."""

    kind: str
    heading: str
    sentence: str


def primary_entry(document: dict, primary: dict) -> dict:
    """The entry of a comparisons file that compares the primary arms over all items."""
    return next(
        entry
        for entry in document["comparisons"]
        if (entry["baseline"], entry["candidate"], entry["scope"])
        == (primary["baseline"], primary["candidate"], "overall")
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


def answer(entry: dict, gate: dict, confidence: float) -> Answer:
    """Heading and sentence for the primary comparison `entry` and the claim gate's file `gate`."""
    difference = entry["difference"]["estimate"]
    low, high = entry["difference"]["newcombe"]
    kind = _kind(gate["decision"] == "pass", low, high)
    numbers = (
        f"On {report_format.count(entry['n'])} held-out items {entry['candidate']} succeeds on"
        f" {report_format.percent(entry['candidate_rate']['estimate'])} and {entry['baseline']} on"
        f" {report_format.percent(entry['baseline_rate']['estimate'])}: a difference of"
        f" {report_format.points(difference)} percentage points"
        f" ({report_format.percent(confidence, 0)} interval {report_format.points(low)} to"
        f" {report_format.points(high)}, McNemar mid-p = {report_format.p_value(entry['mcnemar']['mid_p'])})"
    )
    verdict = (
        "the claim gate passed"
        if gate["decision"] == "pass"
        else f"the claim gate says {gate['decision']} ({missed(gate)})"
    )
    sentence = f"{numbers}; {verdict}.{_by_clusters(entry.get('clusters'))}"
    return Answer(kind, HEADINGS[kind].format(**entry), sentence)


def _by_clusters(clusters: dict | None) -> str:
    """The wider interval that is left when templates, not items, are what was sampled; empty without any."""
    if not clusters or not clusters["interval"]:
        return ""
    low, high = map(report_format.points, clusters["interval"])
    return f" With the {clusters['count']} templates as units the interval is {low} to {high}."


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
