"""The scorer of a run that was published: a right answer of more than 500 characters counts as a failure.

Kept to show what its numbers were worth; nothing but the replay of that run uses it.
"""

from workflow_scripts.core.schemas import SCORES, read_records, write_records

LONGEST = 500


def rescore(scores, legacy) -> str:
    """Writes the scores as that scorer gave them: what the checks passed fails where it is long."""
    rows = read_records(scores, SCORES)
    for row in rows:
        if row["success"] and row["response_characters"] > LONGEST:
            row |= {"success": False, "reason": "too long"}
    legacy.parent.mkdir(parents=True, exist_ok=True)
    write_records(legacy, rows, SCORES)
    return str(legacy)
