"""Checks: fair to surface form, strict about content, blind to length, and never a crash."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.core import checks, tasks

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


# ---- long responses


def one_check_of_each_kind():
    """{kind, or the parts of an all_of: an item with such a check}, from both task files."""
    found = {}
    for path in ("config/tasks/microworld.yaml", "config/tasks/general.yaml"):
        for family in tasks.load_tasks(path).families:
            draft = tasks.draw_item(family, random.Random(1))
            found.setdefault("+".join(sorted(checks.kinds_in(draft.check))), draft)
    return found


DRAFTS = one_check_of_each_kind()
# What regular expressions with neighbouring repeats, and parsers, are slow on; two that grow in NFKC.
FILLERS = [".", '."', "!? ", " ", "\t\n", " .", "a", "a-", "word ", "fox, ", "9", "9,999", "1. a\n", "- a\n"]
FILLERS += ["[", "[a]", "*", "*a* ", "<<a>>", '{"a":', '"', "A b. ", "a\n\n", "a: b\n", "\u3316", "\ufdfa"]


def seconds(check, response):
    """Processor time of one verdict: other processes do not count."""
    start = time.process_time()
    checks.score(check, response)
    return time.process_time() - start


@pytest.mark.parametrize("kind", DRAFTS)
def test_a_response_of_a_million_characters_is_scored_in_under_a_second(kind):
    draft = DRAFTS[kind]
    for filler in ("word ", f"{draft.reference} ", "."):
        response = (filler * 10**6)[: 10**6]
        assert seconds(draft.check, response) < 1, filler


@pytest.mark.parametrize("kind", DRAFTS)
def test_no_filler_is_slow(kind):
    """A time that grows with the square of the length would be minutes here."""
    draft = DRAFTS[kind]
    for filler in FILLERS:
        response = (filler * 10**5)[: 10**5] + draft.reference
        assert seconds(draft.check, response) < 1, filler


def test_every_kind_is_among_the_timed_ones():
    assert set().union(*(checks.kinds_in(draft.check) for draft in DRAFTS.values())) == checks.KINDS.keys()


# ---- kinds that no item of the test files pins down


@pytest.mark.parametrize(
    ("check", "response", "success"),
    [
        ({"kind": "number", "value": 1234}, "1,234", True),
        ({"kind": "number", "value": 1234}, "12,34", False),
        ({"kind": "number", "value": 1234}, "001234.00", True),
        ({"kind": "number", "value": 1234}, "1234.5", False),
        ({"kind": "number", "value": 342}, "Three hundred and forty-two.", True),
        ({"kind": "number", "value": -5}, "\u22125", True),
        ({"kind": "number", "value": 5}, "9" * 100_000, False),
        ({"kind": "mentions", "accepted": ["Paris"]}, "Parisian", False),
        ({"kind": "mentions", "accepted": ["C\u00f4te d'Ivoire"]}, "It is C\u00f4te d\u2019Ivoire!", True),
        ({"kind": "json_object", "members": {"a": 1}}, '{"a": true}', False),
        ({"kind": "json_object", "members": {"a": True}}, '{"a": 1}', False),
        ({"kind": "json_object", "members": {"a": 1}}, '{"a": 2, "a": 1}', False),
        ({"kind": "json_array", "items": [1, None]}, "[1, null]", True),
        ({"kind": "json_array", "items": [1]}, "[NaN]", False),
        ({"kind": "sentence_count", "at_least": 2, "at_most": 2}, "It is 3.5 m. Yes!", True),
        ({"kind": "sentence_count", "at_least": 2, "at_most": 2}, '"Go." "No?"', True),
        ({"kind": "word_count", "at_least": 3, "at_most": 3}, "well-known \u2014 old things", True),
        ({"kind": "paragraph_count", "at_least": 2, "at_most": 2}, "a\n \t\n\n\nb\nc", True),
        ({"kind": "includes", "words": ["river"]}, "rivers", False),
        ({"kind": "verbatim", "expected": "Na"}, "NA", False),
        ({"kind": "number_format", "expected": "1,200"}, "1200", False),
        ({"kind": "mask", "pattern": "A9"}, "\u00c49", False),
        ({"kind": "quoted", "at_least": 1}, "\u201cyes\u201d", True),
        ({"kind": "quoted", "at_least": 1}, '"yes" "no"', False),
        ({"kind": "members", "pools": [["Mars", "Venus"]], "counts": [1]}, "mars", True),
        ({"kind": "sequence", "words": ["One", ["Two", "2"]]}, "one, 2", True),
        ({"kind": "separated", "words": ["river", "button"], "separator": ";"}, "river; button.", True),
        ({"kind": "exact", "accepted": ["Reykjavik", "Reykjavík"]}, "Reykjavi\u0301k", True),
        ({"kind": "number_format", "expected": "1953-10-09"}, "`1953-10-09`.", True),
        (
            {"kind": "sentence", "contains": ["storm", "doctor"], "ends_with": "museum"},
            'The storm kept the doctor in the "museum."',
            True,
        ),
        ({"kind": "json_object", "members": {"a": 1}}, '```json\n{\n "a": 1\n}\n```\n', True),
        ({"kind": "bullets", "marker": "-", "count": 2}, "- June.\n- May.", True),
        ({"kind": "mentions", "accepted": ["South Korea"]}, "The capital of South Korea is Seoul.", True),
        ({"kind": "begins", "phrase": "Once upon a time"}, "“Once upon a time,” she said.", True),
        ({"kind": "ends", "phrase": "and so it goes"}, "We leave, and so it goes...", True),
        (
            {"kind": "frequencies", "counts": {"river": 2}},
            "River. The river's end, a river-bank and the river!",
            True,
        ),
        ({"kind": "letter_case", "case": "upper", "at_least": 2}, "I’M FINE — 3 TIMES", True),
        ({"kind": "lipogram", "letter": "e", "at_least": 2}, "All good. Não", True),
        ({"kind": "number", "value": 56}, "56\n\n7 times 8 is 56", False),
        ({"kind": "exact", "accepted": ["Paris"]}, "Paris\n\nQuestion: x", False),
        ({"kind": "paragraph_count", "at_least": 2, "at_most": 2}, "a b\n\nc d\n\n***", True),
        ({"kind": "key_values", "pairs": [["name", "Anna"]]}, "- name: Anna", False),
        ({"kind": "highlights", "count": 2, "at_least": 3}, "a *b* c *d e* f.", True),
        ({"kind": "titled", "title": "My winter", "at_least": 2}, "## <<My Winter>>\n\nIt snowed.", True),
        ({"kind": "alphabetical", "count": 3, "initial": "n"}, "Nail, name, neck.", True),
    ],
)
def test_cases_to_be_sure_of(check, response, success):
    assert checks.score(check, response).success is success


@given(st.sampled_from(list(DRAFTS.values())), st.text())
def test_no_check_accepts_nothing_or_crashes_on_anything(draft, response):
    assert checks.score(draft.check, response).reason
    for nothing in ("", " \n", "...", '""'):
        assert not checks.score(draft.check, nothing).success


def test_all_of_gives_the_reason_of_the_first_part_that_fails():
    check = {"kind": "all_of", "checks": [EXACT, {"kind": "word_count", "at_least": 2, "at_most": 2}]}
    assert checks.score(check, "cherry").reason == "too few words"
    assert checks.score(check, "plum").reason == "another answer"
    assert checks.kinds_in(check) == {"all_of", "exact", "word_count"}
