"""The one error a user can cause: it names the file, the field, the value and the remedy."""


class InputError(Exception):
    """Wrong input. Its text is one line: `FILE: FIELD = VALUE: REMEDY`; parts that are None are left out."""

    def __init__(self, *, file=None, field=None, value=None, remedy=None):
        self.file, self.field, self.value, self.remedy = file, field, value, remedy
        named = field if value is None else f"{field} = {value!r}"
        parts = [
            str(part) for part in (file, named if field is not None else value, remedy) if part is not None
        ]
        super().__init__(" ".join(": ".join(parts).split()))
