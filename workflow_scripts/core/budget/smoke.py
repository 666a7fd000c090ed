"""The rates that a smoke run measured, where there was one."""

import json
from pathlib import Path

from workflow_scripts.core.errors import InputError

RATES = "smoke/rates.json"  # below the results; an undeclared file, as no run needs it
NEEDED = ("prompt_tokens_per_second", "generated_tokens_per_second", "training_tokens_per_second")


def read_rates(path) -> dict[str, float] | None:
    """Tokens a second by kind; None without a file. InputError for one that is cut short or not above 0."""
    if not Path(path).is_file():
        return None
    remedy = "this file of a smoke run is not whole: remove it, or run the smoke test again"
    try:
        rates = json.loads(Path(path).read_text(encoding="utf-8"))["rates"]
        found = {name: rates[name] for name in NEEDED}
    except (ValueError, KeyError, TypeError):
        raise InputError(file=path, remedy=remedy) from None
    for name, rate in found.items():
        if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not rate > 0:
            raise InputError(file=path, field=f"rates.{name}", value=rate, remedy=remedy)
    return found
