"""The audit of a pair set: effect sizes of length, words that tell the sides apart, markers, and the gate."""

import json
import random

import numpy as np
import pytest
import yaml

from tests.test_preferences import candidate
from workflow_scripts import audit_pairs, gate
from workflow_scripts.core import effect_sizes, pair_audit, preferences, schemas, separability
from workflow_scripts.core.completions import completion_of

CRITERIA = yaml.safe_load(open("config/config.yaml", encoding="utf-8"))["gates"]["pairs"]
NOUNS = "owl crow cat dog hen pig tram bus horn bell plum pear tea milk rake drill".split()


def words(draw, count):
    return ", ".join(draw.sample(NOUNS, count))


def pool_of(sides):
    """Two candidates of each instruction, the first with the higher margin, from (chosen, rejected) texts."""
    rows = []
    for place, (chosen, rejected) in enumerate(sides):
        name = f"instruction-{place:03d}"
        rows += [candidate(name, 0, chosen, 1.0 + place % 5), candidate(name, 1, rejected, -1.0)]
    return rows


def sound_sides(count=200):
    """Sides that differ in what they say alone: the same words and lengths on either side."""
    draw = random.Random(0)
    return [(words(draw, draw.randint(1, 5)), words(draw, draw.randint(1, 5))) for _ in range(count)]


def opened(sides, opening):
    return [(f"{opening}{chosen}", rejected) for chosen, rejected in sides]


def run_gate(folder, sides, tamper=None):
    """The gate's exit status and file, from candidates over pairs and audit, each by its command line.

    `tamper` changes the rows of the pair file before it is audited.
    """
    files = {
        name: str(folder / name) for name in ("pool.parquet", "pairs.parquet", "audit.json", "gate.json")
    }
    pool = pool_of(sides)
    schemas.write_records(files["pool.parquet"], pool, schemas.CANDIDATES)
    pairs = preferences.select_pairs(pool, 2, 0.5)
    schemas.write_records(files["pairs.parquet"], (tamper or list)(pairs), schemas.PAIRS)
    inputs = ["--pairs", files["pairs.parquet"], "--candidates", files["pool.parquet"]]
    audit_pairs.main([*inputs, "--audit", files["audit.json"]])
    settings = json.dumps({"gate": {"name": "pairs", "criteria": CRITERIA, "override": None}})
    status = 0
    try:
        gate.main(
            ["--settings", settings, "--metrics", files["audit.json"], "--decision", files["gate.json"]]
        )
    except SystemExit as end:
        status = end.code
    decision = json.loads((folder / "gate.json").read_text())
    missed = {entry["metric"] for entry in decision["criteria"] if entry["decision"] != "pass"}
    return status, decision["decision"], missed


def test_sound_pairs_pass_the_gate(tmp_path):
    assert run_gate(tmp_path, sound_sides()) == (0, "pass", set())


def test_pairs_whose_chosen_always_opens_alike_stop(tmp_path, capsys):
    shorter = [(chosen, f"{rejected}, {chosen}") for chosen, rejected in sound_sides()]
    status, decision, missed = run_gate(tmp_path, opened(shorter, "Sure, "))
    assert (status, decision) == (1, "stop")
    assert {"words_accuracy", "words_difference_accuracy"} <= missed
    assert "words_accuracy" in capsys.readouterr().err
    audit = json.loads((tmp_path / "audit.json").read_text())
    telling = [entry["word"] for entry in audit["telling_words"] if entry["side"] == "chosen"]
    assert {"^Sure", "Sure"} <= set(telling[:3])


def test_pairs_whose_chosen_is_always_a_little_longer_stop(tmp_path):
    """By two characters, where lengths spread over hundreds: the effect size of the sides cannot show it."""
    draw = random.Random(1)
    sides = []
    for _ in range(200):
        rejected = words(draw, 6) + " " + "o" * draw.randint(1, 400)
        sides.append((rejected + "oo", rejected))
    status, decision, missed = run_gate(tmp_path, sides)
    assert (status, decision) == (1, "stop")
    assert "length_accuracy" in missed and "length_cohens_d" not in missed


@pytest.mark.parametrize("longer", [0, 1])
def test_pairs_with_a_large_effect_of_length_stop(tmp_path, longer):
    """In either direction, and with one word on all sides, so that only its repetitions differ."""
    draw = random.Random(2)
    lengths = [(draw.gauss(12 if longer == side else 8, 3) for side in (0, 1)) for _ in range(300)]
    sides = [tuple(" ".join(["owl"] * max(1, round(length))) for length in pair) for pair in lengths]
    status, decision, missed = run_gate(tmp_path, [pair for pair in sides if pair[0] != pair[1]])
    assert (status, decision) == (1, "stop")
    assert "length_cohens_d" in missed


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_a_stray_marker_on_one_side_stops(tmp_path, side):
    def tamper(pairs):
        return [{**pairs[0], side: pairs[0][side] + "<|im_end|>"}, *pairs[1:]]

    status, decision, missed = run_gate(tmp_path, sound_sides(), tamper)
    assert (status, decision) == (1, "stop")
    assert missed == {f"{side}_with_markers", "untraceable_pairs"}
    examples = json.loads((tmp_path / "audit.json").read_text())["examples"]["with_markers"]
    assert len(examples) == 1 and examples[0][side].endswith("<|im_end|>")


def test_equal_and_doubled_pairs_stop(tmp_path):
    def tamper(pairs):
        return [{**pairs[0], "chosen": pairs[0]["rejected"] + " "}, pairs[1], *pairs[1:]]

    status, decision, missed = run_gate(tmp_path, sound_sides(), tamper)
    assert (status, decision) == (1, "stop")
    assert missed == {"chosen_equals_rejected", "duplicate_pairs", "untraceable_pairs"}


def test_an_inverted_pair_stops(tmp_path):
    def tamper(pairs):
        return [{**pairs[0], "margin": -pairs[0]["margin"]}, *pairs[1:]]

    assert run_gate(tmp_path, sound_sides(), tamper) == (1, "stop", {"inverted_pairs"})


def test_too_few_pairs_stop(tmp_path):
    assert run_gate(tmp_path, sound_sides(99)) == (1, "stop", {"pairs"})


def test_the_audit_does_not_depend_on_the_order_of_the_pairs():
    pool = pool_of(sound_sides(60))
    pairs = preferences.select_pairs(pool, 2, 0.5)
    shuffled = random.Random(3).sample(pairs, len(pairs))
    one, other = (separability.separability(rows, 0.95) for rows in (pairs, shuffled))
    assert one == other


def test_no_instruction_is_in_two_folds():
    """Texts that are a function of the instruction: a model that met it in training would tell them apart."""
    draw = random.Random(4)
    pairs = []
    for place in range(120):
        name, label = f"instruction-{place // 4}", draw.choice((0, 1))
        texts = [f"word{place // 4} good{place // 4}", f"word{place // 4} bad{place // 4}"]
        if place % 4 == 0:
            order = texts[:: 1 if label else -1]
        chosen, rejected = order
        pairs.append(
            {"record_id": str(place), "instruction_id": name, "chosen": chosen, "rejected": rejected}
        )
    found = separability.separability(pairs, 0.95)["metrics"]
    assert found["words_accuracy"]["value"] == found["words_difference_accuracy"]["value"] == 0.5


def test_random_pairs_cannot_be_told_apart():
    pairs = preferences.select_pairs(pool_of(sound_sides(400)), 2, 0.5)
    for name, metric in separability.separability(pairs, 0.99)["metrics"].items():
        assert metric["low"] < 0.5 < metric["high"], name


def test_length_alone_is_no_word():
    """The chosen text says the rejected one twice: its words have the same shares."""
    pairs = [
        {"record_id": str(place), "instruction_id": str(place), "chosen": f"{text} {text}", "rejected": text}
        for place, (text, _) in enumerate(sound_sides(100))
    ]
    assert separability.separability(pairs, 0.95)["metrics"]["words_accuracy"]["value"] == 0.5


def test_texts_without_any_word_are_no_error():
    pairs = [
        {"record_id": str(place), "instruction_id": str(place), "chosen": " ", "rejected": "  "}
        for place in range(10)
    ]
    assert separability.separability(pairs, 0.95)["metrics"]["words_accuracy"]["value"] == 0.5


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pairs_are_not_measured(count):
    pool = pool_of(sound_sides(1)) if count else []
    report = pair_audit.audit(preferences.select_pairs(pool, 2, 0.5), pool)
    metrics = report["metrics"]
    assert metrics["pairs"]["value"] == count
    for name in ("words_accuracy", "words_difference_accuracy", "length_cohens_d"):
        assert metrics[name]["value"] is None and metrics[name]["n"] == count
    assert report["telling_words"] == []


def test_cohens_d_of_both_kinds():
    effects = effect_sizes.paired_effects([2, 4, 6], [1, 3, 5], 0.95, "test")
    assert effects["pooled"]["value"] == pytest.approx(0.5)
    assert effects["paired"]["value"] == effect_sizes.LARGEST_EFFECT
    effects = effect_sizes.paired_effects([1, 3, 5], [2, 4, 7], 0.95, "test")
    assert effects["pooled"]["value"] == pytest.approx(-4 / 3 / np.sqrt((4 + 19 / 3) / 2))
    assert effects["paired"]["value"] == pytest.approx(-4 / 3 / np.sqrt(1 / 3))
    assert effect_sizes.paired_effects([3, 3], [3, 3], 0.95, "test")["paired"]["value"] == 0


def test_intervals_of_cohens_d_cover_the_truth():
    """Sides with a true d of 0.3 and a correlation of 0.5: 95 % of 200, within Monte-Carlo error."""
    generator = np.random.default_rng(5)
    covered = {"pooled": 0, "paired": 0}
    for repeat in range(200):
        shared = generator.normal(size=(80, 1))
        sides = (shared + generator.normal(size=(80, 2))) / np.sqrt(2) + [0.3, 0.0]
        effects = effect_sizes.paired_effects(*sides.T.tolist(), 0.95, str(repeat))
        for kind in covered:
            covered[kind] += effects[kind]["low"] <= 0.3 <= effects[kind]["high"]
    assert all(180 <= count <= 198 for count in covered.values()), covered


def test_lengths_in_tokens_come_from_the_candidates():
    pool = pool_of(sound_sides(50))
    tokens = {row["record_id"]: row["response_tokens"] for row in pool}
    pairs = preferences.select_pairs(pool, 2, 0.5)
    doubled = [{**row, "response_tokens": row["response_tokens"] * (2 - row["candidate"])} for row in pool]
    plain, changed = (pair_audit.audit(pairs, rows)["metrics"] for rows in (pool, doubled))
    assert len(tokens) == 100 and plain["length_cohens_d"] == changed["length_cohens_d"]
    assert changed["length_cohens_d_tokens"]["value"] > plain["length_cohens_d_tokens"]["value"] + 0.5


def test_margin_quantiles():
    pool = pool_of(sound_sides(100))
    report = pair_audit.audit(preferences.select_pairs(pool, 2, 0.5), pool)
    margins = [entry["margin"] for entry in report["margin_quantiles"]]
    assert [entry["share"] for entry in report["margin_quantiles"]] == [0.05, 0.25, 0.5, 0.75, 0.95]
    assert margins == sorted(margins) and margins[2] == report["metrics"]["median_margin"]["value"]


def test_completions_in_these_tests_are_those_of_the_workflow():
    assert preferences.select_pairs(pool_of([("owl", "crow")]), 2, 0.5)[0]["chosen"] == completion_of("owl")
