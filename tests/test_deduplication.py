"""What counts as the same: normalised equality, near duplicates, n-gram coverage, skeletons and frames."""

import random
import time

import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.core.deduplication import coverage, exact, near, skeletons
from workflow_scripts.core.deduplication.match import Match

PARAMETERS = near.NearParameters()
WORDS = "apple bread chair doctor engine flower garden harbour island jacket kettle lantern".split()


@pytest.mark.parametrize(
    "left, right",
    [
        ("Name two birds.", "name  two birds"),
        ("  Name two birds!", "“Name two birds”"),
        ("Ｎａｍｅ two birds", "Name two birds"),  # full width, NFKC
        ("STRASSE", "straße"),  # casefold
        ("Name\ttwo\nbirds", "Name two birds"),
    ],
)
def test_same_instruction(left, right):
    assert exact.instruction_sha256(left) == exact.instruction_sha256(right)
    assert exact.matches([left], ["another", right]) == {0: Match(1, 1.0)}


@pytest.mark.parametrize(
    "left, right",
    [
        ("Name two birds.", "Name three birds."),
        ("Sort: a, b", "Sort a b"),
        ("!!!", "???"),
        ("5 + 3", "5 * 3"),
    ],
)
def test_other_instruction(left, right):
    assert exact.instruction_sha256(left) != exact.instruction_sha256(right)
    assert exact.matches([left], [right]) == {}


def test_first_of_each_is_kept():
    assert exact.first_positions(["b", "a", "B.", "c", "a!"]) == [0, 1, 3]
    assert exact.repeats(["b", "a", "B.", "c", "a!", "b"]) == {
        2: Match(0, 1.0),
        4: Match(1, 1.0),
        5: Match(0, 1.0),
    }
    assert exact.first_positions([]) == [] and exact.repeats([]) == {}


def test_shingles_of_short_texts_and_jaccard():
    assert near.shingles("abcdef", 5) == {"abcde", "bcdef"}
    assert near.shingles("abc", 5) == {"abc"} and near.shingles("", 5) == {""}
    assert near.jaccard({"a", "b", "c"}, {"b", "c", "d"}) == 0.5


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 0.95])
def test_bands_are_as_few_as_the_recall_allows(threshold):
    bands = near.bands_for(threshold, 252)
    assert 252 % bands == 0
    assert near.candidate_probability(threshold, 252 // bands, bands) >= near.RECALL
    fewer = max((count for count in range(1, bands) if 252 % count == 0), default=None)
    assert fewer is None or near.candidate_probability(threshold, 252 // fewer, fewer) < near.RECALL


def edited(text: str, rng: random.Random) -> str:
    """The text with some words replaced, added or left out."""
    words = text.split()
    for _ in range(rng.randrange(4)):
        place = rng.randrange(len(words))
        words[place : place + rng.randrange(2)] = [rng.choice(WORDS)]
    return " ".join(words)


def families_of_texts(seed: int, count: int) -> list[str]:
    """Texts of which many are edits of each other, so that similarities of all sizes occur."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(4, 15))) for _ in range(count // 4)]
    while len(texts) < count:
        texts.append(edited(rng.choice(texts), rng))
    return texts


@pytest.mark.parametrize("seed", range(3))
def test_near_matches_are_those_of_brute_force(seed):
    texts, references = families_of_texts(seed, 300), families_of_texts(seed, 600)[300:]
    grams = [[near.shingles(exact.normalise(text), 5) for text in part] for part in (texts, references)]
    expected = {}
    for position, own in enumerate(grams[0]):
        best = max(
            (Match(place, near.jaccard(own, other)) for place, other in enumerate(grams[1])),
            key=lambda match: match.similarity,
        )
        if best.similarity >= PARAMETERS.threshold:
            expected[position] = best
    assert len(expected) > 20
    found = near.matches(near.sign(texts, PARAMETERS), near.sign(references, PARAMETERS), PARAMETERS)
    assert found == expected


def test_what_is_left_holds_no_near_duplicate_and_every_removed_text_has_one_there():
    texts = families_of_texts(7, 400)
    found = near.repeats(near.sign(texts, PARAMETERS), PARAMETERS)
    assert len(found) > 50
    left = [position for position in range(len(texts)) if position not in found]
    grams = {position: near.shingles(texts[position], 5) for position in range(len(texts))}
    for place, position in enumerate(left):
        assert all(near.jaccard(grams[position], grams[other]) < 0.8 for other in left[:place])
    for position, match in found.items():
        assert match.position in left and match.position < position
        assert match.similarity == near.jaccard(grams[position], grams[match.position]) >= 0.8
    assert near.near_duplicate_rate(texts) == len(found) / len(texts)
    assert near.near_duplicate_rate([]) == 0.0


def test_signatures_estimate_the_similarity_as_another_library_does():
    one, other = ({f"gram {number}" for number in range(start, start + 900)} for start in (0, 100))
    wide = near.NearParameters(permutations=1024)
    signatures = near.RMinHash.from_token_sets([sorted(one), sorted(other)], wide.permutations, near.SEED)
    theirs = [MinHash(num_perm=1024) for _ in range(2)]
    for signature, grams in zip(theirs, (one, other), strict=True):
        signature.update_batch([gram.encode() for gram in grams])
    truth = near.jaccard(one, other)
    error = 3 * (truth * (1 - truth) / 1024) ** 0.5
    assert signatures[0].jaccard(signatures[1]) == pytest.approx(truth, abs=error)
    assert theirs[0].jaccard(theirs[1]) == pytest.approx(truth, abs=error)


def test_a_signature_does_not_depend_on_the_order_of_the_n_grams():
    grams = sorted(near.shingles("a text that is long enough for many n-grams of five characters", 5))
    shuffled = random.Random(1).sample(grams, len(grams))
    one, other = near.RMinHash.from_token_sets([grams, shuffled], PARAMETERS.permutations, near.SEED)
    assert one.digest() == other.digest()


def coverage_of(text: str, references: list[str], words: int = 3) -> Match | None:
    return coverage.CoverageIndex(references, words).coverage(text)


def test_coverage_counts_word_n_grams():
    held_out = ["one two three four five", "six seven eight nine ten"]
    assert coverage_of("One, two: three; four!", held_out) == Match(0, 1.0)
    # of its four 3-grams "one two three" and "six seven eight" are there
    assert coverage_of("one two three six seven eight", held_out) == Match(0, 0.5)
    assert coverage_of("one two four three five", held_out) is None
    assert coverage_of("one two", held_out) is None
    # a held-out text inside a long one: a small share of the long one, all of the held-out one
    assert coverage_of(f"a b c d e f g h {held_out[1]} i j k l m", held_out) == Match(1, 1.0)


def test_coverage_looks_at_each_text_of_a_record():
    parameters = coverage.CoverageParameters(words=3, threshold=0.6)
    records = [("name a bird", "it says: one two three four"), ("one two", "three four"), ("x y z", "")]
    assert coverage.matches(records, ["one two three four five"], parameters) == {0: Match(0, 2 / 3)}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Sort from low to high: six, eight, four.", "sort from low to high: _"),
        ("Give the opposites of cold and high.", "give the opposites of _"),
        ('Translate "good morning" into French.', "translate _ into french"),
        ("Write 3 words that rhyme with `cat`.", "write _ words that rhyme with _"),
        ("List 12 tools.", "list _ tools"),
        ("Pick the black thing from cat, frog and milk.", "pick the black thing from _"),
        ("Reverse the list harp, fig, bus.", "reverse the list _"),
        ("Say harp, fig, bus backwards, last word first.", "say _ backwards, last word first"),
        ("Don't say why it's late.", "don't say why it's late"),
        ("Write a poem about the sea", "write a poem about the sea"),
    ],
)
def test_skeleton(text, expected):
    assert skeletons.skeleton(text) == expected


def test_a_skeleton_is_the_same_for_other_fillings():
    one = skeletons.skeleton("Copy harp, fig, bus in capital letters.")
    assert one == skeletons.skeleton("Copy tea, cat, dog, pig in capital letters.")
    assert one != skeletons.skeleton("Copy tea, cat, dog, pig in small letters.")


def test_the_frame_of_a_cluster():
    frame = skeletons.frame_of(
        ["Order two, four, one from least to most.", "Order nine, six from least to most."]
    )
    assert str(frame) == "order _ from least to most"
    assert frame.words == ("order", "from", "least", "to", "most")
    assert frame.gaps == ((0, 0), (2, 3), (0, 0), (0, 0), (0, 0), (0, 0))
    index = skeletons.SkeletonIndex(
        ["Order two, four, one from least to most.", "Order nine, six from least to most."], ["a/0", "a/0"]
    )
    assert index.match("order five, six from least to most!") == Match(0, 1.0)
    assert index.match("Order all seven of my books from least to most.") is None  # a longer filling
    assert index.match("Order five, six from most to least.") is None


@given(st.lists(st.lists(st.sampled_from(WORDS[:5]), min_size=1, max_size=8), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_every_instruction_has_the_frame_of_its_cluster(cluster):
    texts = [" ".join(words) for words in cluster]
    frame = skeletons.frame_of(texts)
    assert len(frame.gaps) == len(frame.words) + 1
    assert all(frame.fits(words) for words in cluster)
    if len(texts) == 1:
        assert str(frame) == texts[0]


def test_frames_and_skeletons_of_too_few_words_match_nothing():
    index = skeletons.SkeletonIndex(["Name two cats.", "Name nine old dogs."], ["a/0", "a/0"])
    assert index.match("Name four grey whales.") is None and index.match("Name five cats.") is None


def test_excess_of_a_skeleton():
    texts = ["List 2 tools.", "Spell cat.", "List 3 tools.", "List 5 tools."]
    assert skeletons.excess(texts, None) == {}
    assert skeletons.excess(texts, 3) == {}
    assert skeletons.excess(texts, 1) == {2: Match(0, 1.0), 3: Match(0, 1.0)}


@pytest.mark.parametrize("part", ["a, ", "a and ", "[", "“", "<<", "1,", "'"])
def test_a_skeleton_of_a_long_text_takes_no_long_time(part):
    start = time.process_time()
    skeletons.skeleton(part * 30_000)
    skeletons.SkeletonIndex(["the a the b", "the c d the"], ["c/0", "c/0"]).match("the " * 20_000)
    assert time.process_time() - start < 1
