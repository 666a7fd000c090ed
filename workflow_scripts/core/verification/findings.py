"""What a check finds: one value that is not what it should be, and things that could not be looked at."""

from dataclasses import dataclass

SHOWN = 120  # characters of a value that a line shows


def shown(value) -> str:
    """A value for one line: quoted text, cut in the middle where it is long."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split("\n"))
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 40]} ... {text[-35:]}"


@dataclass(frozen=True)
class Finding:
    """One difference: in `file` (its name in the manifest), maybe in a `row`, in a `field`."""

    file: str
    field: str
    expected: object
    found: object
    check: str
    row: int | None = None

    def __str__(self):
        place = f"{self.file}: " + (f"row {self.row}, " if self.row is not None else "")
        values = f"expected {shown(self.expected)}, found {shown(self.found)}"
        return f"{place}{self.field}: {values} ({self.check})"


@dataclass(frozen=True)
class Unchecked:
    """Files that a check could not look at, and what it would need."""

    what: str
    needs: str

    def __str__(self):
        return f"{self.what}: {self.needs}"
