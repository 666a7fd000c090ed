"""The task families for a general model: enough of them, enough room, and every item says what it asks."""

import json
import random
import re
from collections import Counter, defaultdict

import pytest

from workflow_scripts.core import checks, task_audit, task_language, task_splits, tasks

GENERAL = tasks.load_tasks("config/tasks/general.yaml")
FAMILIES = {family.name: family for family in GENERAL.families}
SIZES = {"test": 1000, "dev": 600, "calibration": 300}
# A task whose answer must stand alone says so with one of these words; in the free kinds, all else is free.
STRICT_WORDS = r"\b(only|nothing|exactly|alone|whole|but the code|copy|same order|must be|in the form)\b"
FREE = {"mentions", "includes", "frequencies", "sentence", "titled", "all_of"}


@pytest.fixture(scope="module")
def items():
    """Rows of all splits of the size that the shipped configuration asks for."""
    return task_splits.draw_splits(GENERAL, SIZES, 20)


def test_five_types_many_phrasings_and_kinds_of_check():
    by_type = defaultdict(list)
    for family in GENERAL.families:
        by_type[family.type].append(family)
    assert list(by_type) == list(task_language.TYPES)
    assert all(len(families) >= 12 for families in by_type.values())
    assert sum(len(family.templates) for family in GENERAL.families) == 102 and len(FAMILIES) == 81
    drafts = [tasks.draw_item(family, random.Random(0)) for family in GENERAL.families]
    used = set().union(*(checks.kinds_in(draft.check) for draft in drafts))
    assert used == checks.KINDS.keys() and len(used) == 34


def test_each_type_has_ten_times_the_items_that_are_asked():
    need = 10 * SIZES["test"] // 5
    counts = tasks.capacity(GENERAL, need)
    assert counts == dict.fromkeys(task_language.TYPES, need)
    assert sum(counts.values()) >= 10_000


def test_the_shipped_sizes_are_drawn_from_every_phrasing_of_nearly_every_family(items):
    assert Counter(item["split"] for item in items) == SIZES
    test = [item for item in items if item["split"] == "test"]
    assert set(Counter(item["type"] for item in test).values()) == {200}
    clusters = Counter(item["cluster"] for item in test)
    assert len(clusters) >= 100
    assert max(clusters.values()) <= 30  # no phrasing has more than 3 % of the test


def test_the_audit_of_the_shipped_sizes_is_clean(items):
    tried = task_audit.try_checks(items)
    assert {name: entry["value"] for name, entry in tried["metrics"].items()} == dict.fromkeys(
        tried["metrics"], 0.0
    ), tried["examples"]
    assert tried["metrics"]["surface_forms_rejected"]["n"] > 15_000
    assert tried["metrics"]["corruptions_accepted"]["n"] > 15_000
    assert len(tried["checks"]) >= 20


@pytest.mark.parametrize("name", FAMILIES)
def test_instructions_are_clean_text_and_say_where_more_words_are_refused(name):
    rng = random.Random(4)
    for _ in range(20):
        draft = tasks.draw_item(FAMILIES[name], rng)
        text = draft.instruction
        assert text == text.strip() and "  " not in text and "\n" not in text, text
        assert not re.search(r"\b(None|True|False|Undefined)\b|[{}]", text), text
        assert text[0].isupper() or text[0].isdigit(), text
        assert not re.search(r"\ba [aeio]\w+\b", text.replace("a one", "")), text
        if draft.check["kind"] not in FREE:
            assert re.search(STRICT_WORDS, text, re.IGNORECASE), text


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_to_another_item_is_wrong(name):
    """What an item asks matters: the right answer to another item of its family does not pass."""
    rng = random.Random(5)
    drafts = [tasks.draw_item(FAMILIES[name], rng) for _ in range(30)]
    checked = {json.dumps(draft.check, sort_keys=True): draft for draft in drafts}
    others = [(one, other) for one in checked.values() for other in checked.values() if one is not other]
    passed = sum(checks.score(one.check, other.reference).success for one, other in others)
    assert passed < 0.35 * len(others)


# ---- facts, against sources of their own


def test_numbers_in_words_and_numerals_agree_with_a_count():
    for name in ("to-words", "from-roman", "to-roman", "binary"):
        for seed in range(100):
            draft = tasks.draw_item(FAMILIES[name], random.Random(seed))
            number = int(draft.check.get("value", next(iter(re.findall(r"\d+", draft.instruction)), 0)))
            if name == "binary":
                assert int(draft.reference, 2) == number
            elif name == "to-words":
                assert checks.score({"kind": "number", "value": number}, draft.reference).success
            else:
                roman = draft.reference if name == "to-roman" else draft.instruction.split()[3]
                assert roman_value(roman) == number


def roman_value(numeral):
    values = [dict(I=1, V=5, X=10, L=50, C=100, D=500, M=1000)[letter] for letter in numeral]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < after else value for value, after in pairs)


def test_the_lexicon_agrees_with_itself():
    lexicon = GENERAL.lexicon
    kinds = [word for kind in lexicon["kinds"] for word in kind["members"]]
    closed = [word for closed_set in lexicon["closed_sets"] for word in closed_set["members"]]
    for words in (kinds, closed, lexicon["words"], lexicon["topics"], lexicon["days"], lexicon["months"]):
        assert len(set(words)) == len(words)
    for letter, words in lexicon["by_letter"].items():
        assert words == sorted(words) and all(word.startswith(letter) for word in words)
    for letter, text in lexicon["lipograms"].items():
        assert letter not in text.lower() and len(text.split()) >= 11
    assert len(set(lexicon["symbols"].values())) == len(lexicon["symbols"])
    opposites = [word for pair in lexicon["opposites"] for word in pair]
    assert len(set(opposites)) == len(opposites)
    assert len({names[0] for names in lexicon["capitals"].values()}) == len(lexicon["capitals"]) == 74
    assert all(remark.count("TOPIC") == 1 and remark.count(".") == 1 for remark in lexicon["remarks"])
    assert all(isinstance(word, str) for word in [*kinds, *closed, *opposites, *lexicon["words"]])
