"""Detectors of bad responses: the rules, what labelled responses say of them, and files that are refused."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from workflow_scripts import gate, generation_qc
from workflow_scripts.core import detector_quality, detectors, schemas
from workflow_scripts.core.assistant_voice import assistant_phrases
from workflow_scripts.core.detectors import DETECTORS
from workflow_scripts.core.errors import InputError

LABELLED = "resources/detectors/labelled.jsonl"
EXAMPLES = detector_quality.read_examples(LABELLED)
HELD_OUT = [example for example in EXAMPLES if example["split"] == "heldout"]
REPORT = detector_quality.detector_report(EXAMPLES)
LINE = "I am happy to help you."


@pytest.mark.parametrize(
    ("instruction", "text", "finish", "runaway"),
    [
        ("Name a bird.", " owl", "eos", False),
        ("Repeat owl.", " owl owl owl owl owl owl", "eos", False),  # may be what was asked for
        ("Repeat owl.", " owl owl owl owl owl owl", "length", True),
        ("Repeat.", " a long answer that says something new in every one of its words", "length", False),
        ("Repeat.", " a,b,a,b", "length", False),  # short
        ("Count.", " 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2", "length", True),  # within its last copy
        ("Name a bird.", " owl\nQuestion: Name a cat.\nAnswer: tom", "eos", True),
        ("Write Question: and Answer:", " Question: who?\nAnswer: me", "eos", False),
        ("Say it.", "\n".join([LINE] * 3), "stop", True),
        ("Say it.", "\n".join([LINE] * 2), "stop", False),
        ("Say it.", "\n".join(["It is here."] * 3), "stop", False),
        ("Say it.", "\n".join(["It is here."] * 4), "stop", True),
        ("Describe it.", "# Title\n\n- one: two\n- three: four\n\n**bold**", "eos", False),
        ("Name a planet.", " Mars\n2. Name a star.\nSirius", "eos", True),
        ("Name a planet.", " Mars\nName it again and it fades.", "eos", False),
        ("Ask two questions.", " Q: who?\nQ: where?", "eos", False),
        ("Who is it?", " Me.\nQ: where?", "eos", True),
        ("Go on.", " I see a cat.\nI see a dog.\nI see a", "length", True),
        ("Go on.", " I see a cat.\nI see a dog.\nI see a cow.", "eos", False),
    ],
)
def test_runaway(instruction, text, finish, runaway):
    assert detectors.is_runaway(instruction, text, finish) is runaway


@pytest.mark.parametrize(
    ("text", "finish", "truncated"),
    [
        (" owl, crow", "eos", False),
        (" owl, crow", "length", True),
        (" owl,", "eos", True),
        (" owl and the", "eos", True),
        (" and", "eos", False),
        (" The moon is round. It goes", "eos", True),
        (" The moon is round. It goes.", "eos", False),
        (' The moon is round. "It goes."', "eos", False),
        (" one (two", "eos", True),
        (" one (two)", "eos", False),
        (" [0, 1)", "eos", False),
        (' a board of 6"', "eos", False),
        (' he said "no', "eos", True),
        (" he said \u201cno", "eos", True),
        ("\n```\nx = 1\n", "eos", True),
        ("\n```\nx = 1\n```", "eos", False),
        (" :(", "eos", False),
        ("", "eos", False),
    ],
)
def test_truncation(text, finish, truncated):
    assert detectors.is_truncated("", text, finish) is truncated


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("I'm sorry, but I can't help with that.", ["I'm sorry, but", "I can't help with"]),
        ("I\u2019m sorry, but no.", ["I'm sorry, but"]),
        ("I cannot swim.", []),
        ('"I cannot help with that," said the guard.', []),
        ("As an AI language model, I have no cat.", ["As an AI language model, I"]),
        ("A language model has no cat.", []),
        ("Sure! Here it is.", ["Sure!"]),
        ("Sure.", []),
        (" Sorry, I can't.", ["Sorry, I can't"]),
        ("Rain falls. I hope this helps!", ["I hope this helps"]),
    ],
)
def test_assistant_phrases(text, phrases):
    assert assistant_phrases(text) == phrases


def test_length_is_no_detector():
    """A long answer in which every word is new fires none of them, whatever its length."""
    text = " ".join(f"word{number}" for number in range(2000)) + "."
    assert not [name for name, rule in DETECTORS.items() if rule("Say much.", text, "eos")]


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        " owl" * 250_000,
        "\n" * 10**6,
        "Question" + " " * 10**6,
        '"' * 10**6,
        "'" * 10**6,
        "#" * 10**6,
        "I am " * 200_000,
        "abc. " * 200_000 + "x",
        "(" * 10**6,
        "Q: \n" * 250_000,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_a_million_characters_take_less_than_two_seconds(name, text):
    start = time.process_time()
    DETECTORS[name]("Name a cat.", text, "length")
    assert time.process_time() - start < 2


def test_the_labelled_responses_are_many_and_hard():
    assert len(HELD_OUT) >= 100 and len(EXAMPLES) - len(HELD_OUT) >= 100
    texts = Counter((example["instruction"], example["response_raw"]) for example in EXAMPLES)
    assert max(texts.values()) == 1
    labels = Counter(label for example in HELD_OUT for label in example["labels"])
    assert all(labels[name] >= 15 for name in DETECTORS)
    sound = [example for example in HELD_OUT if not example["labels"]]
    assert len(sound) >= 40
    assert sum(detector_quality.is_long("", example["response_raw"], "eos") for example in sound) >= 5
    assert all(example["note"] for example in EXAMPLES)


def test_the_labels_say_what_they_mean_by_definition():
    """The token limit truncates, and a leaked delimiter is a runaway."""
    for example in EXAMPLES:
        labels = set(example["labels"])
        assert example["finish_reason"] != "length" or "truncation" in labels, example["id"]
        assert "delimiter_leak" not in labels or "runaway" in labels, example["id"]


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_is_better_than_a_rule_on_length(name):
    """In precision, in recall, and in the share of sound responses that it wrongly names."""
    entry = REPORT["detectors"][name]
    length = entry["length_rule"]
    for figure in ("precision", "recall"):
        assert entry[figure]["low"] > length[figure]["value"]
    assert entry["false_positive_rate"]["value"] <= length["false_positive_rate"]["value"]


# What they reach on the held-out responses; a change of a rule that loses some of it must say why.
@pytest.mark.parametrize(
    ("name", "precision", "recall"),
    [
        ("runaway", 25 / 26, 25 / 32),
        ("truncation", 21 / 25, 21 / 26),
        ("delimiter_leak", 1.0, 13 / 15),
        ("refusal", 1.0, 14 / 18),
    ],
)
def test_what_the_detectors_reach_on_held_out_responses(name, precision, recall):
    entry = REPORT["detectors"][name]
    assert entry["precision"]["value"] == pytest.approx(precision)
    assert entry["recall"]["value"] == pytest.approx(recall)
    assert entry["n"] == len(HELD_OUT)
    assert entry["precision"]["low"] < precision <= entry["precision"]["high"]


def test_the_documented_figures_are_those_that_are_measured():
    def cell(metric):
        return f"{round(metric['value'] * metric['n'])} of {metric['n']}"

    page = Path("docs/data-quality.md").read_text(encoding="utf-8")
    for name, entry in REPORT["detectors"].items():
        length = entry["length_rule"]
        figures = [entry["precision"], entry["recall"], entry["false_positive_rate"]]
        figures += [length["precision"], length["recall"]]
        assert f"| `{name}` | {' | '.join(map(cell, figures))} |\n" in page


def test_the_report_counts_as_a_person_would():
    rows = [("a", ["runaway"]), ("b" * 501, ["runaway"]), ("c" * 501, []), ("d", [])]
    examples = [
        {"instruction": "", "response_raw": text, "finish_reason": "eos", "labels": labels}
        for text, labels in rows
    ]
    found = detector_quality.judge_rule(detector_quality.is_long, "runaway", examples, 0.95)
    assert {name: (metric["value"], metric["n"]) for name, metric in found.items()} == {
        "precision": (0.5, 2),
        "recall": (0.5, 2),
        "false_positive_rate": (0.5, 2),
    }


def test_missed_and_mistaken_examples_are_named():
    by_name = {example["id"]: example for example in HELD_OUT}
    for name, entry in REPORT["detectors"].items():
        positives = sum(name in example["labels"] for example in HELD_OUT)
        assert len(entry["missed"]) == positives - round(entry["recall"]["value"] * positives)
        assert all(name in by_name[identity]["labels"] for identity in entry["missed"])
        assert not any(name in by_name[identity]["labels"] for identity in entry["mistaken"])


def line(**changes):
    example = {
        "id": "x",
        "split": "heldout",
        "instruction": "Name a cat.",
        "response_raw": " tom",
        "finish_reason": "eos",
        "labels": [],
        "note": "a bare word",
    }
    return json.dumps({**example, **changes}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", ":1: write one JSON object per line"),
        (b"[]", ":1: write one object per line with exactly"),
        (b'{"id": "x"}', ":1: write one object per line with exactly"),
        (line(labels=["long"]), ':1: labels = ["long"]: give a list of some of runaway'),
        (line(labels="runaway"), ":1: labels"),
        (line(split="test"), ':1: split = "test": write one of development, heldout'),
        (line(finish_reason="end"), ':1: finish_reason = "end": write one of eos, stop, length'),
        (line(response_raw=None), ":1: response_raw"),
        (line() + b"\n" + line(), ':2: id = "x": '),
        (b"\xff\xfe", ": save the file as UTF-8"),
        (line(), "labels.runaway = 0: label at least one held-out response"),
        (b"", "labels.runaway = 0: label at least one held-out response"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, content, said):
    path = tmp_path / "labelled.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        detector_quality.read_examples(path)
    assert said in str(refused.value).replace("'", '"')


def test_a_missing_file_is_refused_and_nothing_is_written(tmp_path):
    schemas.write_records(tmp_path / "records.parquet", [], schemas.RECORDS)
    files = ["--records", str(tmp_path / "records.parquet"), "--report", str(tmp_path / "qc.json")]
    with pytest.raises(SystemExit):
        generation_qc.main([*files, "--detector-examples", str(tmp_path / "none.jsonl")])
    assert [path.name for path in tmp_path.iterdir()] == ["records.parquet"]


def test_blind_detectors_stop_the_pilot(tmp_path):
    """Labels that say the opposite stand for detectors that see nothing: the pilot's gate names them."""
    rows = [
        {**example, "labels": [label for label in DETECTORS if label not in example["labels"]]}
        for example in EXAMPLES
    ]
    (tmp_path / "labelled.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    schemas.write_records(tmp_path / "records.parquet", [], schemas.RECORDS)
    files = ["--records", str(tmp_path / "records.parquet"), "--report", str(tmp_path / "qc.json")]
    generation_qc.main([*files, "--detector-examples", str(tmp_path / "labelled.jsonl")])
    criteria = yaml.safe_load(open("config/config.yaml", encoding="utf-8"))["gates"]["pilot"]
    settings = json.dumps({"gate": {"name": "pilot", "criteria": criteria, "override": None}})
    decision = tmp_path / "gate.json"
    with pytest.raises(SystemExit):
        gate.main(
            ["--settings", settings, "--metrics", str(tmp_path / "qc.json"), "--decision", str(decision)]
        )
    missed = {
        entry["metric"]
        for entry in json.loads(decision.read_text())["criteria"]
        if entry["decision"] == "stop"
    }
    assert {"worst_detector_precision", "worst_detector_recall"} <= missed
