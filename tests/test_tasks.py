"""Task families: every item of the micro-world is sound, drawing follows the seed, errors are named."""

import random
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.core import checks, task_language, tasks
from workflow_scripts.core.errors import InputError

MICROWORLD = "config/tasks/microworld.yaml"
WORLD = tasks.load_tasks(MICROWORLD)
FAMILIES = {family.name: family for family in WORLD.families}
SEEDS = st.integers(0, 2**32)
DRAWS = 200


def draws(name, seed, count):
    rng = random.Random(seed)
    return [tasks.draw_item(FAMILIES[name], rng) for _ in range(count)]


def variants(draft):
    """The reference in other surface forms that do not touch what the task is about."""
    answer = draft.reference
    yield from (f"  {answer} ", f"{answer}\n", f"{answer.rstrip('.')}.", f'"{answer}"')
    if draft.check["kind"] != "cased":
        yield from (answer.upper(), answer.capitalize())
    if draft.check["kind"] != "sentence":
        words = answer.split(", ")
        yield from (" ".join(words), "\n".join(words), "".join(f"- {word}\n" for word in words))
        yield " and ".join(words)
        yield ", ".join(words[:-1]) + f", and {words[-1]}."


@pytest.mark.parametrize("name", FAMILIES)
def test_reference_is_right_and_corruption_wrong(name):
    for draft in draws(name, 1, DRAWS):
        assert checks.score(draft.check, draft.reference) == checks.RIGHT, draft
        for mistake in (draft.corruption, f"{draft.corruption.rstrip('.')}.", draft.corruption.capitalize()):
            assert not checks.score(draft.check, mistake).success, draft


@pytest.mark.parametrize("name", FAMILIES)
def test_surface_variants_of_the_reference_are_right(name):
    for draft in draws(name, 2, DRAWS):
        for answer in variants(draft):
            assert checks.score(draft.check, answer) == checks.RIGHT, (draft, answer)


@pytest.mark.parametrize("name", FAMILIES)
def test_more_than_the_answer_and_the_question_itself_are_wrong(name):
    rng = random.Random(3)
    for draft in draws(name, 3, DRAWS):
        noun = rng.choice([noun for noun in WORLD.lexicon["nouns"] if noun not in draft.reference])
        bare = draft.reference.rstrip(".")
        for answer in (
            f"{bare}, {noun}",
            f"{bare}. I hope that helps.",
            f"{bare}\nQuestion: Name one fruit.\nAnswer: plum",
            draft.instruction,
            "",
        ):
            assert not checks.score(draft.check, answer).success, (draft, answer)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FAMILIES)), SEEDS)
def test_an_item_is_a_function_of_the_seed(name, seed):
    (draft,) = draws(name, seed, 1)
    assert [draft] == draws(name, seed, 1)
    assert draft.family == name
    assert re.fullmatch(rf"{name}/[012]", draft.cluster)
    assert 1 <= len(draft.reference.split()) <= 12
    assert draft.reference.strip() == draft.reference
    assert "  " not in draft.instruction and "\n" not in draft.instruction
    assert checks.score(draft.check, draft.reference).success
    assert not checks.score(draft.check, draft.corruption).success


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FAMILIES)), SEEDS, st.text())
def test_any_response_gets_a_verdict(name, seed, response):
    (draft,) = draws(name, seed, 1)
    assert checks.score(draft.check, response).reason


def test_every_family_has_three_phrasings_and_every_type_a_family():
    assert {family.type for family in WORLD.families} == set(task_language.TYPES)
    assert all(len(family.templates) == 3 for family in WORLD.families)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_room(name):
    texts = set()
    for _, _, instruction in tasks.enumerate_instructions(FAMILIES[name]):
        texts.add(instruction)
        if len(texts) == 1500:
            break
    assert len(texts) == 1500
    assert tasks.family_capacity(FAMILIES[name], WORLD.heldout_share, 450) == 450


@pytest.mark.parametrize("name", ["list", "without", "sort", "opposites"])
def test_enumeration_holds_everything_that_is_drawn(name):
    everything = {text for _, _, text in tasks.enumerate_instructions(FAMILIES[name])}
    assert {draft.instruction for draft in draws(name, 4, 300)} <= everything


def test_the_lexicon_agrees_with_itself():
    lexicon = WORLD.lexicon
    members = [noun for category in lexicon["categories"] for noun in category["members"]]
    assert sorted(members) == sorted(lexicon["nouns"]) == sorted(sum(lexicon["coloured"].values(), []))
    assert len(set(members)) == 48
    assert list(lexicon["coloured"]) == lexicon["colours"]
    assert all(len(category["members"]) == 8 for category in lexicon["categories"])
    opposites = lexicon["opposites"]
    assert len(opposites) == 48
    assert all(opposites[opposites[word]] == word for word in opposites)
    assert lexicon["also_opposite"].keys() <= opposites.keys()
    assert not set(members) & set(opposites)


# ---- held out


def test_held_out_is_a_function_of_the_normalised_text():
    texts = [text for _, _, text in tasks.enumerate_instructions(FAMILIES["opposites"])]
    share = sum(tasks.is_heldout(text, 0.3) for text in texts) / len(texts)
    assert 0.28 < share < 0.32
    for text in texts[:500]:
        held = tasks.is_heldout(text, 0.3)
        assert tasks.is_heldout(f"  {text.upper()} ".replace(" ", "  "), 0.3) == held
        assert tasks.is_heldout(text.rstrip(".?"), 0.3) == held
        assert not held or tasks.is_heldout(text, 0.4)


def test_the_held_out_part_stays_what_it_is():
    """A shipped base was trained without exactly these: another split would leak them."""
    nouns = WORLD.lexicon["nouns"]
    flags = "".join(str(int(tasks.is_heldout(f"Reverse the list {noun}, fox, tea.", 0.3))) for noun in nouns)
    assert flags == "000100100101000101100010000000000010001010010001"


def test_capacity_counts_only_as_far_as_needed():
    assert tasks.capacity(WORLD, 7) == dict.fromkeys(task_language.TYPES, 7)
    counts = tasks.capacity(WORLD, 2500)
    list_families = [FAMILIES["list"], FAMILIES["without"]]
    assert counts["list"] == sum(tasks.family_capacity(family, 0.3, 10**6) for family in list_families) < 2500
    assert counts["transform"] == 2500


def test_every_choice_goes_through_the_whole_tree_once():
    def evaluate(pick):
        first = pick(3)
        return (first, pick(2)) if first else (first,)

    assert list(task_language.every_choice(evaluate)) == [(0,), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert list(task_language.every_choice(lambda pick: "one")) == ["one"]


def test_favourites_are_different_and_the_first_the_most_frequent():
    draw = task_language.favourites(random.Random(5))
    picks = [draw([["a", "b", "c", "d"], ["x", "y"]], [3, 1]) for _ in range(400)]
    assert all(len(set(pick)) == 4 and pick[3] in "xy" for pick in picks)
    first = [pick[0] for pick in picks]
    assert first.count("a") > first.count("b") > first.count("d") > 0


# ---- errors


def write(tmp_path, **changes):
    family = {
        "name": "copy",
        "type": "format",
        "slots": {"word": {"one_of": "words"}},
        "templates": ["Copy {{ word }}."],
        "check": {"kind": "exact", "accepted": "[word]"},
        "reference": "word",
        "corruption": "'nothing'",
    }
    family = {key: value for key, value in (family | changes).items() if value is not None}
    data = {"name": "tiny", "heldout_share": 0.5, "lexicon": {"words": ["ant", "bee"]}, "families": [family]}
    path = tmp_path / "tasks.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_a_tiny_file_loads(tmp_path):
    world = tasks.load_tasks(write(tmp_path))
    assert tasks.draw_item(world.families[0], random.Random(0)).cluster == "copy/0"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"reference": "wrod"}, "wrod"),
        ({"reference": "'cow'"}, "reference: 'cow' fails its own check"),
        ({"corruption": "word"}, "corruption: 'ant' passes the check"),
        ({"corruption": "word | length"}, "corruption: must be a text"),
        ({"check": {"kind": "exact", "accepted": "[words[9]]"}}, "StrictUndefined"),
        ({"corruption": None}, "corruption: is missing"),
        ({"reference": "word +"}, "reference: is no valid Jinja2"),
        ({"templates": ["Copy {{ word."]}, "templates[0]: is no valid Jinja2"),
        ({"templates": []}, "templates"),
        ({"templates": ["{{ letter }}"]}, "'letter' is undefined"),
        ({"type": "sums"}, "type: must be one of factual"),
        ({"check": {"kind": "vibes"}}, "check.kind: must be one of exact"),
        ({"check": {"kind": "exact", "accept": "[word]"}}, "accept"),
        ({"check": {"kind": "exact", "accepted": "word"}}, "check.accepted = 'ant': give a list"),
        ({"check": {"kind": "word_count", "at_least": "'1'"}}, "check.at_least = '1': give a whole number"),
        ({"slots": {"word": {"any_of": "words"}}}, "slots.word"),
        ({"slots": ["word"]}, "slots: must be"),
        ({"slots": {"words": {"one_of": "words"}}}, "slots.words: give it another name"),
        ({"slots": {"word": {"sample": "words"}}}, "slots.word"),
        ({"slots": {"word": {"one_of": "[]"}}}, "cannot be evaluated"),
        ({"require": "word == 'cow'"}, "require: holds for none"),
        ({"weight": 0}, "weight: must be a number above 0"),
        ({"colour": "red"}, "colour: is no key of a family"),
        ({"reference": "word.__class__.__mro__"}, "unsafe"),
    ],
)
def test_a_wrong_family_is_refused_by_name(tmp_path, changes, named):
    path = write(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        tasks.load_tasks(path)
    assert named in str(error.value)
    assert str(path) in str(error.value) and "families[0] (copy)" in str(error.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a: [", "no valid YAML"),
        ("[]", "give exactly the keys"),
        ("{name: a, heldout_share: 2, lexicon: {a: 1}, families: [1]}", "heldout_share = 2"),
        ("{name: a, heldout_share: 0.3, lexicon: {a: 1}, families: []}", "families"),
        ("{name: a, heldout_share: 0.3, lexicon: {a: 1}, families: [{type: list}]}", "families[0]"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, named):
    path = tmp_path / "tasks.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(named)):
        tasks.load_tasks(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        tasks.load_tasks(tmp_path / "none.yaml")
