"""Normalisation, first occurrences, and the overlap with held-out instructions."""

import pytest

from workflow_scripts.core.deduplication import exact, overlap


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


def test_first_of_each_is_kept():
    assert exact.first_positions(["b", "a", "B.", "c", "a!"]) == [0, 1, 3]
    assert exact.first_positions([]) == []


def test_overlap_is_removed_and_counted_for_each_set():
    examples = [{"instruction": text} for text in ("Name a cat.", "Name a dog.", "Name a cow.")]
    references = {"test": ["name a CAT"], "dev": ["Name a cat!", "Name a cow"], "exemplars": []}
    kept, removed = overlap.remove_overlap(examples, references)
    assert kept == [{"instruction": "Name a dog."}]
    assert {name: len(hashes) for name, hashes in removed.items()} == {"test": 1, "dev": 2, "exemplars": 0}
    report = overlap.overlap_report([row["instruction"] for row in kept], references)
    assert report["overlap"] == {"test": 0, "dev": 0, "exemplars": 0}
    assert report["references"] == {"test": 1, "dev": 2, "exemplars": 0}


def test_report_sees_what_should_not_be_there():
    report = overlap.overlap_report(["Name a cat", "name a cat.", "x"], {"test": ["Name a cat"]})
    assert (report["examples"], report["duplicates"], report["overlap"]["test"]) == (3, 1, 2)
    assert report["shared"]["test"] == [exact.instruction_sha256("Name a cat")]
