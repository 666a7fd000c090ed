"""How a response is read: its words, sentences, paragraphs and lines, all in time linear in its length."""

import re
import unicodedata
from itertools import groupby

ARTICLES = {"a", "an", "the"}
BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
SEPARATORS = re.compile(r"[\s,;]+")
# Squared words (up to 6 letters) and Arabic ligatures (up to 18).
WHOLE_WORDS = re.compile("[\u3300-\u33ff\ufdf0-\ufdfc]+")
EDGES = "\"'`“”‘’*_"
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
# One mark is enough to find an end: `[.!?]+` would try a long row of marks from each of its members.
SENTENCE_END = re.compile(r"[.!?][\"'”’)*_]*\s")
AFTER_SENTENCE = re.compile(r"(?<=[.!?])[\"'”’)*_]*\s+")


def compatible(text: str) -> str:
    """The text in NFKC, but for characters that stand for whole words, which would make it far longer."""
    return unicodedata.normalize("NFKC", WHOLE_WORDS.sub("\ufffd", text))


def normal(response: str) -> str:
    """The response in NFKC, without surrounding space."""
    return compatible(response).strip()


def tidy(response: str) -> str:
    """The response in NFKC, without list bullets, surrounding space and closing punctuation."""
    text = BULLET.sub("", compatible(response)).strip()
    return text.rstrip(".!").rstrip()


def bare(response: str) -> str:
    """The response in NFKC, without surrounding space, quotes, emphasis and one closing period."""
    text = normal(response).strip(EDGES).strip()
    return text.removesuffix(".").strip(EDGES).strip()


def tokens(response: str) -> list[str]:
    """The words of a list-like response, case kept; separators, "and", articles and quotes dropped."""
    found = (token.strip(EDGES + ".!") for token in SEPARATORS.split(tidy(response)))
    return [token for token in found if token and token.casefold() not in ARTICLES | {"and", "&"}]


def words(response: str) -> list[str]:
    """The tokens of a list-like response, case folded."""
    return [token.casefold() for token in tokens(response)]


def prose_words(text: str) -> list[str]:
    """The words of a text, case folded; "well-known" and "don't" are one word each."""
    return [word.casefold() for word in WORD.findall(compatible(text))]


def spaced_words(text: str) -> list[str]:
    """What stands between spaces and has a letter or a digit, as a word processor counts words."""
    return [word for word in text.split() if any(character.isalnum() for character in word)]


def sentences(text: str) -> list[str]:
    """The parts of a text that end in . ! or ? before a space or the end; a last part may lack the mark."""
    parts = (part.strip() for part in AFTER_SENTENCE.split(normal(text)))
    return [part for part in parts if WORD.search(part)]


def lines(text: str) -> list[str]:
    """The lines of a text that are not blank, without surrounding space."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def paragraphs(text: str) -> list[str]:
    """The parts of a text that blank lines set apart."""
    blocks = groupby(text.splitlines(), key=lambda line: bool(line.strip()))
    return ["\n".join(block) for filled, block in blocks if filled]


def unfenced(response: str) -> str:
    """The response without a Markdown code fence around all of it."""
    text = response.strip()
    if len(text) > 6 and text.startswith("```") and text.endswith("```") and "\n" in text:
        return text[text.index("\n") : -3].strip()
    return text
