"""Detectors of what is wrong with a response: rules on its text, and never on its length.

They are judged themselves, on the labelled examples of resources/detectors (core/detector_quality.py).
"""

import math
import re
from collections import Counter

from workflow_scripts.core.assistant_voice import assistant_phrases
from workflow_scripts.core.cleaning import leaked_delimiters

LOOP_COPIES = 3.5
LOOP_CHARACTERS = 16
LOOP_LARGEST_UNIT = 400
# (characters of a line at least, times that it occurs): the shorter, the more often.
REPEATED_LINES = ((20, 3), (10, 4))
SAME_OPENING_WORDS = 2
SAME_OPENING_LINES = 3

NUMBERING = re.compile(r"[ \t]*(?:\d{1,3}[.)][ \t]+)?")
NEW_QUESTION = re.compile(
    r"^[#>*_ \t]*(?:Q|Question|Problem|Exercise|Task|Example|Input|Prompt)[ \t]{0,3}\d{0,3}[*_]{0,3}[:.)]",
    re.IGNORECASE | re.MULTILINE,
)
OPEN_ENDS = tuple(",;:([{/&=\u2013\u2014-")
DANGLING = frozenset(
    "a an the and or but nor because although unless than of my your our their its his very every into from"
    " by at to as are was were whose which whereas".split()
)
FINISHED_SENTENCE = re.compile(r"[a-z]{3}[.!?]\s+[A-Z\"'(]")
SENTENCE_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]*_`]*$")
QUOTATION_MARK = re.compile(r"(?<!\d)\"")  # after a digit it stands for inches


def ends_in_loop(text: str) -> bool:
    """Whether a text ends in three and a half copies of a unit of up to 400 characters, 16 or more in all."""
    text = " ".join(text.split())
    for unit in range(1, LOOP_LARGEST_UNIT + 1):
        length = max(LOOP_CHARACTERS, math.ceil(LOOP_COPIES * unit))
        if length > len(text):
            return False
        if text[-length:-unit] == text[unit - length :]:
            return True
    return False


def _lines(text: str) -> list[str]:
    """The lines of a text that are not blank."""
    return [line for line in text.splitlines() if line and not line.isspace()]


def repeats_a_line(text: str) -> bool:
    """Whether a line of 20 characters or more occurs three times, or one of 10 or more four times."""
    lines = Counter(line.strip() for line in _lines(text))
    return any(
        len(line) >= least and times >= most
        for line, times in lines.items()
        for least, most in REPEATED_LINES
    )


def _ends_in_lines_that_open_alike(text: str) -> bool:
    """Whether the last three lines, without numbers before them, open with the same two words."""
    last = [NUMBERING.sub("", line, count=1).split() for line in _lines(text)[-SAME_OPENING_LINES:]]
    openings = {tuple(words[:SAME_OPENING_WORDS]) for words in last}
    return len(last) == SAME_OPENING_LINES and len(openings) == 1 and len(*openings) == SAME_OPENING_WORDS


def _opens_like(instruction: str) -> re.Pattern | None:
    """Finds lines that open with an instruction's first two words, numbered or not; None for one word."""
    words = NUMBERING.sub("", instruction, count=1).split()[:SAME_OPENING_WORDS]
    if len(words) < SAME_OPENING_WORDS:
        return None
    opening = r"[ \t]+".join(map(re.escape, words))
    return re.compile(rf"^{NUMBERING.pattern}{opening}(?!\S)", re.IGNORECASE | re.MULTILINE)


def goes_on_to_a_question(instruction: str, text: str) -> bool:
    """Whether an answer poses a further question or task after its first line.

    It does where a line opens as a heading of questions ("Q:", "Exercise 2:"), or with the same two words as
    the instruction ("Name a star." after "Name a planet."), and the first line does not.
    """
    first, *others = _lines(text) or [""]
    following = "\n".join(others)
    return any(
        opening is not None and opening.match(first) is None and opening.search(following) is not None
        for opening in (NEW_QUESTION, _opens_like(instruction))
    )


def leaks_delimiter(instruction: str, response_raw: str, finish_reason: str) -> bool:
    """Whether a response holds a prompt's delimiter, a speaker's label, or a chat or end marker unasked."""
    return any(word not in instruction for word in leaked_delimiters(response_raw))


def is_runaway(instruction: str, response_raw: str, finish_reason: str) -> bool:
    """Whether a response went on past its end: into a further block or question, or by repeating itself.

    A loop, or lines that open alike, count only where the response was cut off in the midst of them: a
    finished "owl owl owl owl" may be what was asked for.
    """
    if leaks_delimiter(instruction, response_raw, finish_reason) or repeats_a_line(response_raw):
        return True
    if goes_on_to_a_question(instruction, response_raw):
        return True
    return finish_reason == "length" and (
        ends_in_loop(response_raw) or _ends_in_lines_that_open_alike(response_raw)
    )


def _is_unbalanced(text: str) -> bool:
    """Whether a bracket, a quotation or a code fence was opened and not closed; any bracket closes any."""
    opened = sum(map(text.count, "([{")) > sum(map(text.count, ")]}"))
    quoted = text.count("\u201c") > text.count("\u201d") or len(QUOTATION_MARK.findall(text)) % 2 == 1
    return opened or quoted or text.count("```") % 2 == 1


def is_truncated(instruction: str, response_raw: str, finish_reason: str) -> bool:
    """Whether a response broke off: at the token limit, or within a sentence, a bracket, a quotation.

    Prose counts as broken off when its last line holds a finished sentence and does not end with one. A
    list, a heading or a bare word needs no full stop.
    """
    text = response_raw.strip()
    if finish_reason == "length":
        return True
    words = text.split()
    if len(words) < 2:
        return text.endswith(",")
    if text.endswith(OPEN_ENDS) or words[-1] in DANGLING or _is_unbalanced(text):
        return True
    last = text.splitlines()[-1]
    return FINISHED_SENTENCE.search(last) is not None and SENTENCE_END.search(last) is None


def is_refusal(instruction: str, response_raw: str, finish_reason: str) -> bool:
    """Whether a response refuses, or speaks as an assistant about itself or to its user."""
    return bool(assistant_phrases(response_raw))


# Name -> rule(instruction, response_raw, finish_reason).
DETECTORS = {
    "runaway": is_runaway,
    "truncation": is_truncated,
    "delimiter_leak": leaks_delimiter,
    "refusal": is_refusal,
}
