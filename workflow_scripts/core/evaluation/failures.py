"""Why answers fail, and answers to read; which ones are shown depends on the items alone."""

from collections import Counter

import numpy as np

from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.hashing import sha256_text

SHOWN_CHARACTERS = 300


def shown(text: str) -> str:
    """The text as the audit shows it: what is long is cut."""
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " ..."


def pick(answers: Answers, chosen: np.ndarray, count: int) -> list[int]:
    """Places of at most `count` chosen items: the smallest SHA-256 of the id, as good as at random."""
    places = np.flatnonzero(chosen).tolist()
    return sorted(places, key=lambda place: sha256_text(answers.item_ids[place]))[:count]


def example(answers: Answers, place: int, instructions: dict[str, str]) -> dict:
    """One answer to read: item, instruction where known, response, success, reason, characters."""
    item = answers.item_ids[place]
    return {
        "item_id": item,
        "type": answers.types[place],
        "instruction": instructions.get(item),
        "response": shown(answers.responses[place]),
        "success": bool(answers.success[place]),
        "reason": answers.reasons[place],
        "characters": int(answers.length[place]),
    }


def failure_reasons(answers: Answers, count: int, instructions: dict[str, str]) -> list[dict]:
    """Reasons of the failures, most frequent first: {reason, count, share of all items, examples}."""
    failed = ~answers.success
    found = []
    counted = Counter(answers.reasons[failed].tolist())
    for reason, number in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])):
        places = pick(answers, failed & (answers.reasons == reason), count)
        found.append(
            {
                "reason": reason,
                "count": number,
                "share": number / len(answers),
                "examples": [example(answers, place, instructions) for place in places],
            }
        )
    return found


def discordant_examples(
    baseline: Answers, candidate: Answers, count: int, instructions: dict[str, str]
) -> dict[str, list[dict]]:
    """Items that only one arm solves, with both answers: {only_baseline: [...], only_candidate: [...]}."""
    found = {}
    for name, chosen in (
        ("only_baseline", baseline.success & ~candidate.success),
        ("only_candidate", ~baseline.success & candidate.success),
    ):
        found[name] = [
            {
                "baseline": example(baseline, place, instructions),
                "candidate": example(candidate, place, instructions),
            }
            for place in pick(baseline, chosen, count)
        ]
    return found
