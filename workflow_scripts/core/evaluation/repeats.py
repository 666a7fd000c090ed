"""The same arm asked again (A/A): how many answers change, and how many outcomes flip, from run to run.

A share of the items is answered again in another process: the same way, and at another batch size. Where
the engine does not give the same text every time, part of any difference between two arms is such noise.
"""

from dataclasses import dataclass

import numpy as np

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.failures import shown
from workflow_scripts.core.evaluation.lifts import metric
from workflow_scripts.core.evaluation.one_engine import BATCHES, answering_engine, refuse_other_engine
from workflow_scripts.core.evaluation.scored_answers import Answers, answering_model, rows_by_item
from workflow_scripts.core.evaluation.scoring import judge
from workflow_scripts.core.evaluation.shares import share_of
from workflow_scripts.core.metrics import rate
from workflow_scripts.core.schemas import RESPONSES, read_records

OTHER_BATCH = "other_batch"


@dataclass(frozen=True)
class Repeat:
    """One repetition of an arm: its way, and for each repeated item its place in the arm, text and outcome.

    Every array has shape [m].
    """

    arm: str
    way: str
    places: np.ndarray
    responses: np.ndarray
    success: np.ndarray


def read_repeat(path, way: str, arms: dict[str, Answers], items: dict[str, dict]) -> Repeat:
    """Reads one repetition and scores it by the items' checks (`items` maps ids to rows of ITEMS).

    A response that did not change keeps the outcome it has, whatever gave it: only a change can flip one.
    InputError for an unknown arm, another model or engine than the arm's (but for the batches, where these
    are the point), an item that the arm did not answer, or another prompt than it was sent.
    """
    rows = rows_by_item(path, read_records(path, RESPONSES))
    first = next(iter(rows.values()))
    arm = first["arm"]
    if arm not in arms:
        remedy = f"no such arm was scored; these were: {', '.join(arms)}"
        raise InputError(file=path, field="arm", value=arm, remedy=remedy)
    if answering_model(first) != arms[arm].model:
        remedy = f"{arm} was answered by another model: repeat it with the same"
        raise InputError(file=path, field="provenance.model", remedy=remedy)
    engine = answering_engine(path, (row["provenance"] for row in rows.values()))
    but = (BATCHES,) if way == OTHER_BATCH else ()
    refuse_other_engine(path, engine, arm, arms[arm].engine, but)
    known = {item: place for place, item in enumerate(arms[arm].item_ids.tolist())}
    for item, row in rows.items():
        if item not in known or item not in items:
            remedy = f"{arm} was not asked this item: repeat the items that were scored"
            raise InputError(file=path, field="item_id", value=item, remedy=remedy)
        if row["prompt_sha256"] != arms[arm].prompts[known[item]]:
            remedy = f"{arm} was sent another prompt for this item: repeat with the same template"
            raise InputError(file=path, field="item_id", value=item, remedy=remedy)
    order = sorted(rows)
    places = np.array([known[item] for item in order])
    judged = [judge(items[item], rows[item]["response_raw"]) for item in order]
    responses = np.array([text for text, _ in judged], dtype=object)
    success = np.array([verdict.success for _, verdict in judged], dtype=bool)
    unchanged = responses == arms[arm].responses[places]
    success = np.where(unchanged, arms[arm].success[places], success)
    return Repeat(arm=arm, way=way, places=places, responses=responses, success=success)


def repeat_summary(repeat: Repeat, answers: Answers, confidence: float, examples: int) -> dict:
    """How one repetition differs from the answers that were scored: rates, what was lost and gained."""
    before, after = answers.success[repeat.places], repeat.success
    changed = answers.responses[repeat.places] != repeat.responses
    n = len(after)
    flipped = np.flatnonzero(before != after)[:examples]
    return {
        "arm": repeat.arm,
        "way": repeat.way,
        "n": n,
        "changed": rate(int(changed.sum()), n, confidence),
        "flips": rate(int((before != after).sum()), n, confidence),
        "lost": int((before & ~after).sum()),
        "gained": int((~before & after).sum()),
        "examples": [
            {
                "item_id": answers.item_ids[repeat.places[place]],
                "before": shown(answers.responses[repeat.places[place]]),
                "after": shown(repeat.responses[place]),
                "success_before": bool(before[place]),
                "success_after": bool(after[place]),
            }
            for place in flipped
        ],
    }


def audit_repeats(
    repeats: list[Repeat], arms: dict[str, Answers], lift: float, confidence: float, examples: int
) -> tuple[dict, list[dict]]:
    """Metrics of the worst repetition, and every repetition.

    `aa_flips_over_lift` is the flip rate as a share of the lift. Below a half, the flips of both arms could
    all go one way and would still not make the lift.
    """
    found = [repeat_summary(repeat, arms[repeat.arm], confidence, examples) for repeat in repeats]
    flips = max((entry["flips"] for entry in found), key=lambda entry: (entry["value"], entry["high"]))
    changes = max((entry["changed"] for entry in found), key=lambda entry: (entry["value"], entry["high"]))
    over_lift = {name: share_of(flips[name], lift) for name in ("value", "low", "high")}
    metrics = {
        "aa_flip_rate": flips,
        "aa_response_changes": changes,
        "aa_flips_over_lift": metric(over_lift["value"], (over_lift["low"], over_lift["high"]), flips["n"]),
    }
    return metrics, found
