"""What the surface forms and corruptions of several kinds of check have in common."""

from collections.abc import Iterable, Sequence

from workflow_scripts.core.checks.kinds import Texts

STRANGERS = ("umbrella", "candle", "teapot", "pillow", "curtain", "ribbon")
LONG = 600  # characters; a scorer that fails long answers would show here
REMARK = "I hope that helps."
PREAMBLE = "Sure, here it is:"


def stranger(known: Iterable[str]) -> str:
    """A word that is none of the known ones and does not contain or begin any."""
    text = " ".join(known).casefold()
    return next(word for word in STRANGERS if word not in text)


def framed(reference: str) -> Texts:
    """The reference as it is, and with white space around it."""
    return {"as it is": reference, "space around": f"  {reference} \n\n"}


def dressed(reference: str) -> Texts:
    """A short answer with a period, quotes, emphasis or other capitals."""
    plain = reference.rstrip(".")
    return framed(reference) | {
        "period": f"{plain}.",
        "quotes": f'"{plain}."',
        "curly quotes": f"“{plain}”",
        "bold": f"**{plain}**",
        "capitals": plain.upper(),
        "first capital": plain[:1].upper() + plain[1:],
    }


def spoiled(reference: str) -> Texts:
    """Mistakes where the answer alone is wanted: nothing, a remark after it, a preamble before it."""
    return {
        "empty": "",
        "remark": f"{reference.rstrip('.')}. {REMARK}",
        "preamble": f"{PREAMBLE} {reference}",
    }


def listed(words: Sequence[str]) -> Texts:
    """Some words in the ways in which a list can be written."""
    return {
        "commas": ", ".join(words),
        "semicolons": "; ".join(words),
        "spaces": " ".join(words),
        "lines": "\n".join(words),
        "far apart": f",{' ' * LONG}\n".join(words),
        "bullets": "".join(f"- {word}\n" for word in words),
        "stars": "".join(f"* {word}\n" for word in words),
        "numbers": "".join(f"{number}. {word}\n" for number, word in enumerate(words, 1)),
        "joined by and": " and ".join(words),
        "last and": ", ".join(words[:-1]) + f", and {words[-1]}." if len(words) > 1 else f"{words[0]}.",
        "quoted words": ", ".join(f'"{word}"' for word in words),
    }


def lengthened(text: str, joiner: str = " ") -> str:
    """A text repeated until it has more than LONG characters."""
    return joiner.join([text] * (LONG // (len(text) + 1) + 2))
