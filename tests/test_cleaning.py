"""Raw completions to instructions and responses, and what is wrong with a record."""

import pytest

from workflow_scripts.core import cleaning


@pytest.mark.parametrize(
    "text, expected",
    [
        (" Name two  birds.", "Name two birds."),
        (" 6. Name two birds.\n7. Name", "Name two birds."),
        ("\n\n - Sort: three, one\nmore", "Sort: three, one"),
        ("Repeat 3 dogs.", "Repeat 3 dogs."),
        ("", None),
        (" \n ", None),
        ("Birds", None),
        ("12 34", None),
        ("Name two birds. Question: what", None),
        ("Question: Name two birds.", None),
        ("Name two <|im_end|> birds", None),
        ("Human: hello there", None),
        ("Name a caf\ufffd now", None),
        ("a " * 600, None),
    ],
)
def test_instructions(text, expected):
    assert cleaning.clean_instruction(text) == expected


def test_responses_keep_their_inside():
    assert cleaning.clean_response("  # Title:\n\n- a: b\n\n") == "# Title:\n\n- a: b"


@pytest.mark.parametrize(
    "text, leaked",
    [
        ("owl, crow", []),
        ("One question: who?", []),
        ("A review of owls", []),
        ("owl\nQuestion: next?", ["Question:"]),
        ("owl\n\nReview\nQuestion: x", ["Question:", "Review"]),
        ("Assistant: owl", ["Assistant:"]),
        ("owl<|im_end|>", ["<|im_end|>"]),
        ("owl\n### Question 2: next?", ["Question:"]),
        ("owl\n**Answer:** crow", ["Answer:"]),
        ("owl\nQuestions: none", []),
        ("owl\nThe answer: crow", []),
        ("owl</s>", ["</s>"]),
        ("owl<|endoftext|>crow", ["<|endoftext|>"]),
    ],
)
def test_leaked_delimiters(text, leaked):
    assert cleaning.leaked_delimiters(text) == leaked


@pytest.mark.parametrize(
    "record, expected",
    [
        (("Name it.", "owl", "eos"), []),
        ((None, "owl", "stop"), ["malformed_instruction"]),
        (("Name it.", "", "eos"), ["empty_response"]),
        (("Name it.", "owl\nAnswer: x", "length"), ["length", "delimiter_leak"]),
    ],
)
def test_problems_come_in_order(record, expected):
    assert cleaning.problems(*record) == expected
