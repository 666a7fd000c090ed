"""Turns raw completions into instructions and responses, and names what is wrong with a record."""

import re

from workflow_scripts.core.prompts import chat_markers_in

# Words that open a part of a prompt; at the start of a line they show that a completion ran on into the next.
DELIMITERS = ("Question:", "Answer:", "Verdict:", "Review", "Tasks:", "Instruction:", "Response:")
SPEAKERS = ("Human:", "User:", "Assistant:", "System:")
# The end of a text as tokenizers write it: a model that spells it out has learnt it as text.
END_MARKERS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")
# "### Question 2:" and "**Answer:**" open a part as "Question:" does; one without a colon is a whole line.
OPENINGS = re.compile(
    r"^[#>*_ \t]*({with_colon})[ \t]{{0,3}}\d{{0,3}}[*_]{{0,3}}:|^[ \t]*({whole_lines})[ \t]*$".format(
        with_colon="|".join(word[:-1] for word in (*DELIMITERS, *SPEAKERS) if word.endswith(":")),
        whole_lines="|".join(word for word in DELIMITERS if not word.endswith(":")),
    ),
    re.MULTILINE,
)
NUMBERING = re.compile(r"^\s*(?:\d{1,3}[.)]|[-*\u2022])\s+")
MOST_CHARACTERS = 1000


def clean_instruction(text: str) -> str | None:
    """The instruction in a continued list: its first line, without number or bullet, spaces made single.

    None when nothing usable is left: fewer than two words, no letter, a delimiter or chat marker inside, or
    more than 1000 characters.
    """
    lines = text.strip().splitlines()
    instruction = " ".join(NUMBERING.sub("", lines[0]).split()) if lines else ""
    usable = (
        len(instruction.split()) >= 2
        and any(character.isalpha() for character in instruction)
        and "\ufffd" not in instruction
        and not any(word in instruction for word in DELIMITERS if word.endswith(":"))
        and not leaked_delimiters(instruction)
        and len(instruction) <= MOST_CHARACTERS
    )
    return instruction if usable else None


def clean_response(text: str) -> str:
    """The response in a completion that was cut at its stop string: without surrounding white space."""
    return text.strip()


def leaked_delimiters(text: str) -> list[str]:
    """Delimiters and speakers that open a line, then chat and end markers anywhere in a text."""
    found = OPENINGS.finditer("\n".join(text.splitlines()))
    opened = {f"{match[1]}:" if match[1] else match[2] for match in found}
    known = [word for word in (*DELIMITERS, *SPEAKERS) if word in opened]
    return known + chat_markers_in(text) + [marker for marker in END_MARKERS if marker in text]


def problems(instruction: str | None, response: str, finish_reason: str) -> list[str]:
    """Why a record cannot be used, the first reason first; empty when it can.

    instruction: from `clean_instruction`; response: from `clean_response`; finish_reason: the response's.
    """
    found = []
    if instruction is None:
        found.append("malformed_instruction")
    if not response:
        found.append("empty_response")
    if finish_reason == "length":
        found.append("length")
    if leaked_delimiters(response):
        found.append("delimiter_leak")
    return found
