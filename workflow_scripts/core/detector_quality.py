"""How good the detectors are: precision and recall on labelled responses, beside a rule on length alone."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from workflow_scripts.core.detectors import DETECTORS
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.metrics import rate

SPLITS = ("development", "heldout")
FINISH_REASONS = ("eos", "stop", "length")
TEXT_FIELDS = ("id", "instruction", "response_raw", "note")
# The rule that the detectors replace: whatever is longer counts as wrong.
LENGTH_RULE_CHARACTERS = 500


def is_long(instruction: str, response_raw: str, finish_reason: str) -> bool:
    """Whether a response has more than 500 characters."""
    return len(response_raw) > LENGTH_RULE_CHARACTERS


def _check_example(place: str, example) -> None:
    """InputError for a line that is no labelled example."""
    fields = {*TEXT_FIELDS, "split", "finish_reason", "labels"}
    if not isinstance(example, dict) or example.keys() != fields:
        remedy = f"write one object per line with exactly {', '.join(sorted(fields))}"
        raise InputError(file=place, remedy=remedy)
    for field in TEXT_FIELDS:
        if not isinstance(example[field], str):
            raise InputError(file=place, field=field, value=example[field], remedy="write a text")
    for field, allowed in (("split", SPLITS), ("finish_reason", FINISH_REASONS)):
        if example[field] not in allowed:
            remedy = f"write one of {', '.join(allowed)}"
            raise InputError(file=place, field=field, value=example[field], remedy=remedy)
    labels = example["labels"]
    if not isinstance(labels, list) or not all(label in DETECTORS for label in labels):
        remedy = f"give a list of some of {', '.join(DETECTORS)}"
        raise InputError(file=place, field="labels", value=labels, remedy=remedy)


def read_examples(path) -> list[dict]:
    """Labelled responses from a JSONL file. InputError names the line, the field, its value and the remedy.

    Every detector must have examples that it should fire on and others, among the held-out ones.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(file=path, remedy="this file of labelled responses does not exist") from None
    except UnicodeDecodeError as error:
        raise InputError(file=path, remedy=f"save the file as UTF-8: {error}") from None
    examples, places = [], {}
    for number, line in enumerate(lines, start=1):
        place = f"{path}:{number}"
        try:
            example = json.loads(line)
        except ValueError as error:
            raise InputError(file=place, remedy=f"write one JSON object per line: {error}") from None
        _check_example(place, example)
        if example["id"] in places:
            remedy = f"{places[example['id']]} has this id too: give each its own"
            raise InputError(file=place, field="id", value=example["id"], remedy=remedy)
        places[example["id"]] = place
        examples.append(example)
    heldout = [example for example in examples if example["split"] == "heldout"]
    for name in DETECTORS:
        positives = sum(name in example["labels"] for example in heldout)
        if not 0 < positives < len(heldout):
            remedy = "label at least one held-out response with it, and leave at least one without"
            raise InputError(file=path, field=f"labels.{name}", value=positives, remedy=remedy)
    return examples


def _fires(rule: Callable[[str, str, str], bool], example: dict) -> bool:
    return rule(example["instruction"], example["response_raw"], example["finish_reason"])


def judge_rule(
    rule: Callable[[str, str, str], bool], name: str, examples: Sequence[dict], confidence: float
) -> dict:
    """{"precision", "recall", "false_positive_rate"} of a rule against one label, with Wilson intervals."""
    fired = [_fires(rule, example) for example in examples]
    labelled = [name in example["labels"] for example in examples]
    hits = sum(one and other for one, other in zip(fired, labelled, strict=True))
    return {
        "precision": rate(hits, sum(fired), confidence),
        "recall": rate(hits, sum(labelled), confidence),
        "false_positive_rate": rate(sum(fired) - hits, len(examples) - sum(labelled), confidence),
    }


def detector_report(examples: Sequence[dict], confidence: float = 0.95) -> dict:
    """{"metrics", "detectors"}: every detector against its label on the held-out examples.

    A detector's entry has precision, recall, false_positive_rate, n, positives, the same figures of the
    length rule, and the ids of the examples that it missed and that it fired on by mistake. The metrics are
    the precision and the recall of the detectors that are worst in it.
    """
    heldout = [example for example in examples if example["split"] == "heldout"]
    detectors = {}
    for name, rule in DETECTORS.items():
        wrong = [example for example in heldout if _fires(rule, example) != (name in example["labels"])]
        detectors[name] = {
            **judge_rule(rule, name, heldout, confidence),
            "n": len(heldout),
            "positives": sum(name in example["labels"] for example in heldout),
            "length_rule": judge_rule(is_long, name, heldout, confidence),
            "missed": [example["id"] for example in wrong if name in example["labels"]],
            "mistaken": [example["id"] for example in wrong if name not in example["labels"]],
        }
    metrics = {
        f"worst_detector_{figure}": min((entry[figure] for entry in detectors.values()), key=_value)
        for figure in ("precision", "recall")
    }
    return {"metrics": metrics, "detectors": detectors}


def _value(metric: dict) -> float:
    return metric["value"]
