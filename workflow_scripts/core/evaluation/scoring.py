"""The one way to judge a response by its item's programmatic check."""

import json

from workflow_scripts.core import checks, cleaning


def judge(item: dict, response_raw: str) -> tuple[str, checks.Verdict]:
    """The cleaned response, and the verdict on it of the check in `item` (a row of ITEMS)."""
    text = cleaning.clean_response(response_raw)
    return text, checks.score(json.loads(item["check"]), text)
