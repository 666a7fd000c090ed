"""The text that is trained on after a prompt."""


def completion_of(response: str) -> str:
    """A response as trained: a leading space, as prompts end without one; TRL adds the end-of-text token."""
    return " " + response
