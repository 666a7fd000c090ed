"""What the claim rests on: the primary comparison as compare wrote it, in the form that gates judge."""

import json
from pathlib import Path

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.lifts import metric
from workflow_scripts.core.evaluation.scored_answers import Answers
from workflow_scripts.core.statistics.analysis import OVERALL
from workflow_scripts.core.statistics.tables import PairedTable, paired_table

COUNTS = tuple(PairedTable.__dataclass_fields__)


def read_comparisons(path) -> dict:
    """The file that compare wrote. InputError for any other."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        for entry in document["comparisons"]:
            missing = {"baseline", "candidate", "scope", "n", "difference", "mcnemar", *COUNTS} - entry.keys()
            if missing:
                raise KeyError(min(missing))
        if "registration" in document and not isinstance(document["registration"]["primary_deviations"], int):
            raise TypeError("primary_deviations")
    except FileNotFoundError:
        raise InputError(file=path, remedy="this file does not exist: compare the arms first") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(file=path, field="comparisons", remedy="give the file that compare wrote") from None
    return document


def primary_entry(path, document: dict, primary: tuple[str, str], arms: dict[str, Answers]) -> dict:
    """The primary comparison's overall entry. InputError when it is missing or of other scores.

    `path` is named in errors alone.
    """
    for name in primary:
        if name not in arms:
            remedy = f"no such arm was scored; these were: {', '.join(arms)}"
            raise InputError(field="primary", value=name, remedy=remedy)
    key = (*primary, OVERALL)
    entries = {
        (entry["baseline"], entry["candidate"], entry["scope"]): entry for entry in document["comparisons"]
    }
    if key not in entries:
        raise InputError(file=path, field="comparisons", value=list(key), remedy="compare these arms too")
    entry = entries[key]
    table = paired_table(arms[primary[0]].success, arms[primary[1]].success)
    if any(entry[name] != getattr(table, name) for name in COUNTS):
        remedy = "the counts are not those of the scores given: compare these scores again"
        raise InputError(file=path, field="comparisons", value=list(key), remedy=remedy)
    return entry


def claim_metrics(document: dict, entry: dict) -> dict[str, dict]:
    """The primary comparison as metrics.

    `claim_mid_p`; `claim_lift` with Newcombe's interval; `claim_lift_clustered`, the same lift with the
    interval that its clusters leave (where they are known); `primary_deviations`, how often the analysis
    departs from what was registered for the primary endpoint (where there was a registration).
    """
    difference, n = entry["difference"], entry["n"]
    metrics = {
        "claim_mid_p": metric(entry["mcnemar"]["mid_p"], n=n),
        "claim_lift": metric(difference["estimate"], difference["newcombe"], n),
    }
    clusters = entry.get("clusters")
    if clusters is not None:
        bounds = clusters["interval"] or (None, None)
        metrics["claim_lift_clustered"] = metric(difference["estimate"], bounds, n)
    if "registration" in document:
        metrics["primary_deviations"] = metric(document["registration"]["primary_deviations"])
    return metrics
