"""Mutation test of the checks: each accepts right answers in every surface form and rejects every mistake."""

import random
from collections import Counter
from dataclasses import dataclass

import pytest

from workflow_scripts.core import checks, tasks

FILES = ("config/tasks/microworld.yaml", "config/tasks/general.yaml")
DRAWS = 25  # per family
LONG = 500  # characters; the length that a published scorer took for a failure
# Kinds that ask for a short answer and nothing else, so that no right answer is long.
SHORT_BY_TASK = {"exact", "number", "bracketed", "separated", "bullets", "numbered", "key_values"}
SHORT_BY_TASK |= {"verbatim", "number_format", "characters", "mask"}
FAMILIES = [family for path in FILES for family in tasks.load_tasks(path).families]


@dataclass
class Trials:
    """What was tried on the items of one kind of check: names of texts, and the texts that were misjudged."""

    forms: Counter
    corruptions: Counter
    longest: int
    misjudged: list


def try_all(family, rng, trials: dict[str, Trials]) -> None:
    for _ in range(DRAWS):
        draft = tasks.draw_item(family, rng)
        kind = draft.check["kind"]
        entry = trials.setdefault(kind, Trials(Counter(), Counter(), 0, []))
        wrong = {"its own": draft.corruption, "the question": draft.instruction}
        for name, text in checks.surface_forms(draft.check, draft.reference).items():
            entry.forms[name] += 1
            entry.longest = max(entry.longest, len(text))
            if not checks.score(draft.check, text).success:
                entry.misjudged.append((family.name, "form", name, text, draft.check))
        for name, text in (checks.corruptions(draft.check, draft.reference) | wrong).items():
            entry.corruptions[name] += 1
            if checks.score(draft.check, text).success:
                entry.misjudged.append((family.name, "corruption", name, text, draft.check))


@pytest.fixture(scope="module")
def trials():
    """{kind of check: Trials} over items of every family of both task files."""
    found: dict[str, Trials] = {}
    for family in FAMILIES:
        try_all(family, random.Random(family.name), found)
    return found


def test_every_form_is_accepted_and_every_corruption_rejected(trials):
    misjudged = [entry for kind in trials.values() for entry in kind.misjudged]
    assert misjudged == []
    assert sum(entry.forms.total() for entry in trials.values()) > 20_000
    assert sum(entry.corruptions.total() for entry in trials.values()) > 20_000


def test_every_kind_is_in_use(trials):
    """Kinds that are only parts of all_of show by the prefix of its texts."""
    parts = {name.split(":")[0] for name in trials["all_of"].forms if ":" in name}
    assert trials.keys() | parts == checks.KINDS.keys()


def test_every_kind_has_several_forms_and_several_kinds_of_mistake(trials):
    for kind, entry in trials.items():
        assert len(entry.forms) >= 5, kind
        assert len(entry.corruptions.keys() - {"its own", "the question"}) >= 4, kind


def test_long_answers_are_among_the_accepted_forms(trials):
    """A check that fails long answers would fail here, wherever the task allows them."""
    assert trials.keys() > SHORT_BY_TASK
    for kind in trials.keys() - SHORT_BY_TASK:
        assert trials[kind].longest > LONG, kind


def misjudged_by(monkeypatch, kind, judge) -> list:
    """What the forms and corruptions find where the judge of a kind is replaced by another."""
    monkeypatch.setitem(
        checks.CHECKS, kind, lambda response, **more: checks.Verdict(bool(judge(response, **more)), "")
    )
    found: dict[str, Trials] = {}
    for family in FAMILIES:
        if kind in checks.kinds_in(tasks.draw_item(family, random.Random(1)).check):
            try_all(family, random.Random(2), found)
    return [entry[1:3] for trial in found.values() for entry in trial.misjudged]


@pytest.mark.parametrize("kind", sorted(checks.KINDS.keys() - SHORT_BY_TASK))
def test_a_judge_that_fails_long_answers_does_not_survive(monkeypatch, kind):
    real = checks.KINDS[kind].judge

    def judge(response, **arguments):
        return len(response) <= LONG and real(response, **arguments).success

    assert "form" in dict(misjudged_by(monkeypatch, kind, judge))


# What follows the phrase or the title is free.
@pytest.mark.parametrize("kind", sorted(checks.KINDS.keys() - {"begins", "titled"}))
def test_a_judge_that_takes_whatever_has_the_right_start_does_not_survive(monkeypatch, kind):
    """It accepts all that begins as a right answer does: a remark, a second answer, one entry too many."""
    real = checks.KINDS[kind].judge

    def judge(response, **arguments):
        beginnings = (response.rsplit(mark, 1)[0] for mark in (",", "\n", ". ", " "))
        return any(real(text, **arguments).success for text in (response, response[:-1], *beginnings))

    assert "corruption" in dict(misjudged_by(monkeypatch, kind, judge))


@pytest.mark.parametrize(
    ("kind", "judge"),
    [
        ("exact", lambda response, accepted: any(answer in response for answer in accepted)),
        ("number", lambda response, value: str(value) in response.replace(",", "")),
        ("mentions", lambda response, accepted, excluded=(): any(each in response for each in accepted)),
        ("sequence", lambda response, words: sorted(response.split(", ")) == sorted(map(str, words))),
        ("cased", lambda response, words, case: response.upper() == response),
        ("bracketed", lambda response, words, marked: f"[{marked[0]}]" in response),
        ("separated", lambda response, words, separator: response.split(separator) == words),
        ("members", lambda response, pools, counts, excluded=(): len(response.split(", ")) == sum(counts)),
        ("bullets", lambda response, marker, count, pool=(): response.count(f"{marker} ") == count),
        ("numbered", lambda response, count, pool=(): f"{count}. " in response),
        ("distinct", lambda response, count, initial: len(response.split(",")) == count),
        ("alphabetical", lambda response, count, initial: len(set(response.split(","))) == count),
        ("json_object", lambda response, members: all(key in response for key in members)),
        ("json_array", lambda response, items: all(item in response for item in items)),
        ("key_values", lambda response, pairs: all(": ".join(pair) in response for pair in pairs)),
        ("word_count", lambda response, at_least, at_most=None: len(response.split()) >= at_least),
        ("sentence_count", lambda response, at_least, at_most=None: response.count(".") >= at_least),
        ("paragraph_count", lambda response, at_least, at_most=None: response.count("\n") >= at_least),
        ("line_count", lambda response, at_least, at_most=None: response.count("\n") + 1 >= at_least),
        (
            "frequencies",
            lambda response, counts: all(response.count(word) > 1 for word in counts),
        ),
        ("includes", lambda response, words, excluded=(): all(word in response for word in words)),
        ("lipogram", lambda response, letter, at_least: letter not in response),
        ("begins", lambda response, phrase: response.startswith(phrase)),
        ("ends", lambda response, phrase: phrase in response),
        ("letter_case", lambda response, case, at_least: response[:1] == getattr(response[:1], case)()),
        ("sentence", lambda response, contains, ends_with, excluded=(): ends_with in response),
        ("quoted", lambda response, at_least: response.startswith('"')),
        ("titled", lambda response, title, at_least: title in response),
        ("highlights", lambda response, count, at_least: response.count("*") == 2 * count),
        ("verbatim", lambda response, expected, ignore_case=False: expected.lower() == response.lower()),
        ("number_format", lambda response, expected: expected.strip("0") == response.strip("0")),
        ("characters", lambda response, alphabet, count: len(response) == count),
        ("mask", lambda response, pattern: len(response) == len(pattern)),
        ("all_of", lambda response, checks: bool(response)),
    ],
)
def test_a_sloppy_judge_does_not_survive(monkeypatch, kind, judge):
    """Judges as one might write them in a hurry: each errs on some form or some corruption."""
    assert misjudged_by(monkeypatch, kind, judge)


def test_every_kind_has_a_sloppy_judge():
    (mark,) = test_a_sloppy_judge_does_not_survive.pytestmark
    assert sorted(kind for kind, _ in mark.args[1]) == sorted(checks.KINDS)
