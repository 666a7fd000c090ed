"""Detectors of what is wrong with a response whatever was asked: rules on its text, never on its length.

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
REPEATED_LINE_CHARACTERS = 20
REPEATED_LINE_TIMES = 3
SAME_OPENING_WORDS = 2
SAME_OPENING_LINES = 3

NEW_QUESTION = re.compile(
    r"[#>*_\s]*(?:Q|Question|Problem|Exercise|Task|Example|Input|Prompt)\s{0,3}\d{0,3}[*_]{0,3}[:.)]",
    re.IGNORECASE,
)
OPEN_ENDS = tuple(",;:([{/&=\u2013\u2014-")
DANGLING = frozenset(
    "a an the and or but nor because although unless than of my your our their its his very every into"
    " from".split()
)
FINISHED_SENTENCE = re.compile(r"[a-z]{3}[.!?]\s+[A-Z\"'(]")
SENTENCE_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]*_`]*$")
PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("\u201c", "\u201d"))


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


def repeats_a_line(text: str) -> bool:
    """Whether a line of 20 characters or more occurs three times."""
    lines = Counter(line.strip() for line in text.splitlines())
    return any(
        times >= REPEATED_LINE_TIMES and len(line) >= REPEATED_LINE_CHARACTERS
        for line, times in lines.items()
    )


def _lines_open_alike(text: str) -> bool:
    """Whether the last three lines open with the same two words."""
    openings = [tuple(line.split()[:SAME_OPENING_WORDS]) for line in text.splitlines() if line.strip()]
    last = openings[-SAME_OPENING_LINES:]
    return len(last) == SAME_OPENING_LINES and len(set(last)) == 1 and len(last[0]) == SAME_OPENING_WORDS


def goes_on_to_a_question(text: str) -> bool:
    """Whether an answer that did not open with a question poses one of its own, as "Q:" or "Exercise 2:"."""
    lines = [line for line in text.splitlines() if line.strip()]
    return (
        bool(lines)
        and NEW_QUESTION.match(lines[0]) is None
        and any(NEW_QUESTION.match(line) for line in lines[1:])
    )


def is_runaway(response_raw: str, finish_reason: str) -> bool:
    """Whether a response went on past its end: into a further block or question, or by repeating itself.

    A loop, or lines that open alike, count only where the response was cut off in the midst of them: a
    finished "owl owl owl owl" may be what was asked for.
    """
    if leaked_delimiters(response_raw) or repeats_a_line(response_raw) or goes_on_to_a_question(response_raw):
        return True
    return finish_reason == "length" and (ends_in_loop(response_raw) or _lines_open_alike(response_raw))


def _is_unbalanced(text: str) -> bool:
    """Whether a bracket, a quotation or a code fence was opened and not closed."""
    opened = any(text.count(left) > text.count(right) for left, right in PAIRS)
    return opened or text.count("```") % 2 == 1


def is_truncated(response_raw: str, finish_reason: str) -> bool:
    """Whether a response broke off: at the token limit, or within a sentence, a bracket, a quotation.

    Prose counts as broken off when its last line holds a finished sentence and does not end with one. A
    list, a heading or a bare word needs no full stop.
    """
    text = response_raw.strip()
    if finish_reason == "length":
        return True
    words = text.split()
    if not words:
        return False
    if text.endswith(OPEN_ENDS) and (len(words) > 1 or words[0].endswith(",")):
        return True
    if len(words) > 3 and words[-1].lower() in DANGLING:
        return True
    last = text.splitlines()[-1]
    return (len(words) > 1 and _is_unbalanced(text)) or (
        FINISHED_SENTENCE.search(last) is not None and SENTENCE_END.search(last) is None
    )


def leaks_delimiter(response_raw: str, finish_reason: str) -> bool:
    """Whether a response holds a delimiter of a prompt, a speaker's label, or a chat or end marker."""
    return bool(leaked_delimiters(response_raw))


def is_refusal(response_raw: str, finish_reason: str) -> bool:
    """Whether a response refuses, or speaks as an assistant about itself or to its user."""
    return bool(assistant_phrases(response_raw))


# Name -> rule(response_raw, finish_reason). A rule sees nothing else, so it can judge any response.
DETECTORS = {
    "runaway": is_runaway,
    "truncation": is_truncated,
    "delimiter_leak": leaks_delimiter,
    "refusal": is_refusal,
}
