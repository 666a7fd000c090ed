"""Checks: fair to surface form, strict about content, blind to length, and never a crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.core import checks

EXACT = {"kind": "exact", "accepted": ["cherry", "cherry is red"]}
SEQUENCE = {"kind": "sequence", "words": [["cold"], ["small", "little"]]}
MEMBERS = {"kind": "members", "pools": [["fox", "cat", "dog"], ["fig", "plum"]], "counts": [2, 1]}
WITHOUT = {"kind": "members", "pools": [["fox", "cat", "dog"]], "counts": [2], "excluded": ["cat"]}
CASED = {"kind": "cased", "words": ["fox", "cup"], "case": "upper"}
LOWER = {"kind": "cased", "words": ["fox", "cup"], "case": "lower"}
BRACKETED = {"kind": "bracketed", "words": ["fox", "cup", "fig"], "marked": ["cup"]}
SENTENCE = {"kind": "sentence", "contains": ["fox", "cup"], "ends_with": "fig", "excluded": ["sentence"]}
ALL = [EXACT, SEQUENCE, MEMBERS, WITHOUT, CASED, LOWER, BRACKETED, SENTENCE]


@pytest.mark.parametrize(
    ("check", "response"),
    [
        (EXACT, "cherry"),
        (EXACT, " Cherry. "),
        (EXACT, "CHERRY!"),
        (EXACT, "The cherry."),
        (EXACT, "The cherry is red."),
        (EXACT, '"cherry"'),
        (EXACT, "**cherry**"),
        (EXACT, "“Cherry.”"),
        (SEQUENCE, "cold, small"),
        (SEQUENCE, "cold and little"),
        (SEQUENCE, "Cold,   and small."),
        (SEQUENCE, "cold\nsmall\n"),
        (SEQUENCE, "1. cold\n2. small"),
        (SEQUENCE, "- cold\n- little\n"),
        (SEQUENCE, "cold; small"),
        (MEMBERS, "fox, dog, fig"),
        (MEMBERS, "a plum, a fox and a cat"),
        (MEMBERS, "* fox\n* cat\n* fig."),
        (WITHOUT, "dog, fox"),
        (CASED, "FOX, CUP"),
        (CASED, "FOX and CUP."),
        (LOWER, "fox cup"),
        (BRACKETED, "fox, [cup], fig"),
        (BRACKETED, "Fox [ Cup ] and fig."),
        (BRACKETED, "fox\n[cup]\nfig\n"),
        (SENTENCE, "The fox and the cup are near the fig."),
        (SENTENCE, "the cup is where a FOX put its fig"),
        (SENTENCE, 'I said: "the fox, in a cup; at the fig!"'),
        (SENTENCE, "Did the fox\nsee the cup\nor the fig?"),
    ],
)
def test_right_in_any_surface_form(check, response):
    assert checks.score(check, response) == checks.RIGHT


@pytest.mark.parametrize(
    ("check", "response", "reason"),
    [
        (EXACT, "", "empty"),
        (EXACT, "...", "empty"),
        (EXACT, "red", "another answer"),
        (EXACT, "cherries", "another answer"),
        (EXACT, "cherry, fox", "says more than the answer"),
        (EXACT, "cherry. I hope that helps.", "says more than the answer"),
        (SEQUENCE, "small, cold", "wrong order"),
        (SEQUENCE, "cold", "too few words"),
        (SEQUENCE, "cold, small, hot", "too many words"),
        (SEQUENCE, "cold, big", "wrong words"),
        (SEQUENCE, "Sure! cold, small", "too many words"),
        (MEMBERS, "fox, cat", "too few words"),
        (MEMBERS, "fox, cat, dog, fig", "too many words"),
        (MEMBERS, "fox, fox, fig", "a word twice"),
        (MEMBERS, "fox, cat, fig, cup", "a word of another kind"),
        (MEMBERS, "Here you are: fox, cat, fig", "a word of another kind"),
        (WITHOUT, "fox, cat", "an excluded word"),
        (WITHOUT, "fox", "too few words"),
        (CASED, "fox, cup", "wrong case"),
        (CASED, "FOX, Cup", "wrong case"),
        (CASED, "CUP, FOX", "wrong order"),
        (LOWER, "Fox, cup", "wrong case"),
        (BRACKETED, "fox, cup, fig", "wrong brackets"),
        (BRACKETED, "[fox], [cup], [fig]", "wrong brackets"),
        (BRACKETED, "[fox, cup, fig]", "wrong brackets"),
        (BRACKETED, "fox, (cup), fig", "wrong words"),
        (BRACKETED, "fox, [[cup], fig", "wrong brackets"),
        (BRACKETED, "fox, [cup, fig", "wrong brackets"),
        (BRACKETED, "[cup]", "too few words"),
        (SENTENCE, "The fig and the fox are near the cup.", "wrong ending"),
        (SENTENCE, "The fox is near the fig.", "a word is missing"),
        (SENTENCE, "The foxes and the cup are near the fig.", "a word is missing"),
        (SENTENCE, "The fox sleeps. The cup is near the fig.", "more than one sentence"),
        (SENTENCE, "The fox and the cup are near the fig. I like it.", "wrong ending"),
        (SENTENCE, "fox, cup, fig", "not a sentence"),
        (SENTENCE, "Write a sentence with fox and cup that ends in fig.", "an excluded word"),
        (SENTENCE, "?!", "empty"),
    ],
)
def test_wrong_with_its_reason(check, response, reason):
    assert checks.score(check, response) == checks.Verdict(False, reason)


@given(st.sampled_from(ALL), st.text())
def test_any_text_gets_a_verdict(check, response):
    verdict = checks.score(check, response)
    assert verdict.reason
    assert verdict.success == (verdict.reason == "right")


@given(st.sampled_from(ALL), st.text(alphabet="foxcupfigcherrysmall []().,;:!?*-\"'\n1ſİß\ud800\x00"))
def test_text_like_an_answer_gets_a_verdict(check, response):
    checks.score(check, response)


@given(st.text(alphabet=" \n\t,", min_size=1, max_size=5).map(lambda unit: unit * 5000))
def test_space_between_the_words_is_no_content(gap):
    assert checks.score(SEQUENCE, f"cold{gap}little") == checks.RIGHT
    assert checks.score(CASED, f"FOX,{gap}\nCUP.") == checks.RIGHT
    assert checks.score(MEMBERS, f"fox{gap}fig{gap}cat") == checks.RIGHT
    assert not checks.score(MEMBERS, f"fox{gap}fig{gap}fig").success


def test_a_long_answer_of_many_lines_is_judged_on_content():
    middle = "and the one that came after it,\n" * 200
    right = f"The fox saw the cup,\n{middle}and then it found a fig."
    assert len(right) > 5000
    assert checks.score(SENTENCE, right) == checks.RIGHT
    assert checks.score(SENTENCE, right.replace("cup", "mug")).reason == "a word is missing"
    assert checks.score(SENTENCE, right.replace("a fig", "a pear")).reason == "wrong ending"
    many = {"kind": "sequence", "words": ["fox", "cup"] * 600}
    assert checks.score(many, "\n".join(["fox,", "cup,"] * 600)) == checks.RIGHT
    assert checks.score(many, "\n".join(["fox,", "cup,"] * 600 + ["fig"])).reason == "too many words"
