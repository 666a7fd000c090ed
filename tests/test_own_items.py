"""Items of one's own: read with their defaults, drawn in proportion, refused by line, field and value."""

import inspect
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import TINY, copy_sources, run_snakemake
from workflow_scripts import test_set, test_set_audit
from workflow_scripts.core import checks, schemas, task_splits, tasks
from workflow_scripts.core.errors import InputError

OWN = "tests/data/own_items.jsonl"
GUIDE = Path("config/README.md").read_text()
ITEM = {
    "instruction": "What is 7 times 8? Write only the number.",
    "type": "factual",
    "reference": "56",
    "check": {"kind": "number", "value": 56},
}


def write(tmp_path, *items):
    """A file of items: dictionaries as JSON, texts and bytes as they are."""
    lines = [json.dumps(item) if isinstance(item, dict) else item for item in items]
    path = tmp_path / "own.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


def many(count_by_type):
    """Items of several types, all with different instructions."""
    return [
        ITEM | {"instruction": f"Add {number} and nothing, as {name}.", "type": name}
        for name, count in count_by_type.items()
        for number in range(count)
    ]


def test_defaults_are_filled_in():
    source = tasks.load_tasks(OWN)
    assert source.name == "own_items" and source.heldout_share == 1.0
    assert {family.name: family.type for family in source.families} == {
        "factual": "factual",
        "shapes": "factual",
        "form": "form",
    }
    items = task_splits.draw_splits(source, {"test": 6, "dev": 2, "calibration": 2}, 1)
    lines = [json.loads(line) for line in Path(OWN).read_text().splitlines()]
    assert sorted(item["instruction"] for item in items) == sorted(line["instruction"] for line in lines)
    by_instruction = {line["instruction"]: line for line in lines}
    clusters = Counter(item["cluster"] for item in items)
    assert clusters["shapes/sides"] == clusters["form/lists"] == 2 and len(clusters) == 8
    for item in items:
        line = by_instruction[item["instruction"]]
        assert json.loads(item["check"]) == line["check"] and item["reference"] == line["reference"]
        assert item["corruption"] == line.get("corruption", item["corruption"])
        assert not checks.score(line["check"], item["corruption"]).success


def test_splits_are_drawn_in_proportion_to_the_types(tmp_path):
    source = tasks.load_tasks(write(tmp_path, *many({"easy": 60, "hard": 20, "rare": 5})))
    items = task_splits.draw_splits(source, {"test": 34, "dev": 34, "calibration": 17}, 3)
    assert len({item["instruction"] for item in items}) == 85
    counts = Counter((item["split"], item["type"]) for item in items)
    assert [counts["test", name] for name in ("easy", "hard", "rare")] == [24, 8, 2]
    assert sum(counts[split, "rare"] for split in task_splits.SPLITS) == 5
    again = task_splits.draw_splits(source, {"dev": 34, "calibration": 17, "test": 34}, 3)
    assert items == again
    assert items != task_splits.draw_splits(source, {"test": 34, "dev": 34, "calibration": 17}, 4)


def test_more_than_there_is_is_refused(tmp_path):
    path = write(tmp_path, *many({"easy": 6, "hard": 3}))
    with pytest.raises(InputError) as error:
        task_splits.draw_splits(tasks.load_tasks(path), {"test": 7, "dev": 2, "calibration": 1}, 1)
    assert str(error.value).startswith(f"{path}: items = 10: it has only 9: ask for fewer")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": ""}, "line 2: type = '': give a text that is not empty"),
        ({"type": 3}, "line 2: type = 3: give a text"),
        ({"instruction": "  "}, "line 2: instruction = ' ': give a text"),
        ({"colour": "red"}, "line 2: colour = 'red': unknown field"),
        ({"check": None}, "line 2: check"),
        ({"check": {"value": 56}}, "line 2: check = {'value': 56}: give"),
        ({"check": {"kind": "vibes"}}, "line 2: check.kind = 'vibes': must be one of exact, number"),
        ({"check": {"kind": "number"}}, "line 2: check.value: is missing: give a whole number"),
        ({"check": {"kind": "number", "value": "56"}}, "line 2: check.value = '56': give a whole number"),
        ({"check": {"kind": "number", "value": True}}, "line 2: check.value = True: give a whole number"),
        (
            {"check": {"kind": "number", "value": 56, "unit": 1}},
            "line 2: check.unit = 1: this kind",
        ),
        ({"check": {"kind": "exact", "accepted": "56"}}, "line 2: check.accepted = '56': give a list, each"),
        ({"check": {"kind": "exact", "accepted": [56]}}, "line 2: check.accepted = [56]: give a list, each"),
        ({"check": {"kind": "cased", "words": ["a"], "case": "big"}}, "check.case = 'big': give 'upper' or"),
        (
            {"check": {"kind": "all_of", "checks": [{"kind": "exact"}]}},
            "line 2: check.checks[0].accepted: is missing",
        ),
        (
            {"check": {"kind": "frequencies", "counts": {"a": "b"}}},
            "check.counts = {'a': 'b'}: give",
        ),
        (
            {"check": {"kind": "members", "pools": [["56"]], "counts": [1, 2]}},
            "line 2: check = ",  # counts and pools of different lengths
        ),
        ({"check": {"kind": "separated", "words": [""], "separator": ","}}, "its own check rejects it"),
        ({"reference": "57"}, "line 2: reference = '57': its own check rejects it (another number)"),
        ({"corruption": "fifty-six"}, "line 2: corruption = 'fifty-six': passes the check"),
        ({"instruction": "what is 7 times 8?  Write only the NUMBER"}, "instruction = 'what is 7 times 8?"),
    ],
)
def test_a_wrong_item_is_refused_by_line_field_and_value(tmp_path, change, named):
    first = ITEM if "NUMBER" in str(change) else ITEM | {"instruction": "Something else."}
    path = write(tmp_path, first, ITEM | change)
    with pytest.raises(InputError) as error:
        tasks.load_tasks(path)
    assert str(path) in str(error.value) and named in str(error.value), error.value
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["instruction", "type", "check", "reference"])
def test_a_missing_field_is_named(tmp_path, name):
    item = {key: value for key, value in ITEM.items() if key != name}
    with pytest.raises(InputError, match=f"line 1: {name}: is missing"):
        tasks.load_tasks(write(tmp_path, item))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "line 1: this is no JSON object"),
        ("[1]", "line 1: give a JSON object"),
        ('{"type": NaN}', "NaN is not JSON"),
        (json.dumps(ITEM | {"type": "\ud800"}), "surrogates not allowed"),
        (b'{"type": "caf\xe9"}', "line 1: byte 13 = '0xe9': save the file as UTF-8"),
        ("[" * 100_000, "line 1: this is no JSON object"),
        ("", "this file has no items"),
    ],
)
def test_a_line_that_is_no_item_is_refused(tmp_path, line, named):
    with pytest.raises(InputError, match=re.escape(named)):
        tasks.load_tasks(write(tmp_path, line))


def test_a_family_has_one_type(tmp_path):
    other = ITEM | {"instruction": "Other.", "type": "list", "family": "factual"}
    with pytest.raises(InputError, match="line 2: family = 'factual': this family has the type 'factual'"):
        tasks.load_tasks(write(tmp_path, ITEM, other))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        tasks.load_tasks(tmp_path / "none.jsonl")


def test_a_windows_file_with_blank_lines_is_read(tmp_path):
    text = "\ufeff" + json.dumps(ITEM) + "\r\n\r\n" + json.dumps(ITEM | {"instruction": "Again."}) + "\r\n"
    (family,) = tasks.load_tasks(write(tmp_path, text)).families
    assert family.weight == 2.0


# ---- the guide and the commands


def test_the_example_of_the_guide_runs_and_its_audit_is_clean(tmp_path):
    example = re.search(r"```jsonl\n(.*?)```", GUIDE, re.DOTALL)[1]
    path = tmp_path / "own.jsonl"
    path.write_text(example)
    sizes = {"test": 4, "dev": 1, "calibration": 1}
    flags = [f"--{split}={tmp_path / split}.parquet" for split in sizes]
    settings = json.dumps({"test_set": {"seed": 1, "sizes": sizes}})
    test_set.main(["--settings", settings, "--tasks", str(path), *flags])
    report_path = tmp_path / "audit.json"
    test_set_audit.main(["--tasks", str(path), *flags, "--audit", str(report_path)])
    report = json.loads(report_path.read_text())
    rows = schemas.read_records(tmp_path / "test.parquet", schemas.ITEMS)
    assert {row["type"] for row in rows} == {"factual", "layout"}
    assert json.loads(rows[0]["provenance"])["tasks"]["name"] == "own"
    metrics = {name: entry["value"] for name, entry in report["metrics"].items()}
    assert [metrics.pop(f"items_{split}") for split in sizes] == [4, 1, 1]
    assert metrics.pop("capacity_ratio") == 1.0
    assert set(metrics.values()) == {0.0}
    assert report["metrics"]["surface_forms_rejected"]["n"] > 40


def test_a_refused_file_leaves_nothing(tmp_path, capsys):
    path = write(tmp_path, ITEM | {"reference": "57"})
    flags = [f"--{split}={tmp_path / split}.parquet" for split in task_splits.SPLITS]
    settings = json.dumps({"test_set": {"seed": 1, "sizes": {"test": 1, "dev": 0, "calibration": 0}}})
    with pytest.raises(SystemExit) as error:
        test_set.main(["--settings", settings, "--tasks", str(path), *flags])
    assert error.value.code == 1
    assert "line 1: reference = '57'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


def test_the_guide_lists_every_kind_of_check_as_its_judge_says_it():
    rows = []
    for name, kind in checks.KINDS.items():
        parameters = list(inspect.signature(kind.judge).parameters.values())[1:]
        marks = ["" if parameter.default is parameter.empty else "?" for parameter in parameters]
        named = [f"`{parameter.name}`{mark}" for parameter, mark in zip(parameters, marks, strict=True)]
        sentence = " ".join(inspect.getdoc(kind.judge).split("\n\n")[0].split()).rstrip(".")
        rows.append(f"| `{name}` ({', '.join(named)}) | {sentence} |")
    assert "\n".join(rows) in GUIDE
    assert f"{len(checks.KINDS)} kinds of check" in GUIDE


def test_the_workflow_takes_them_up_to_the_gate(tmp_path):
    copy_sources(tmp_path)
    sizes = "test_set: {sizes: {test: 6, dev: 2, calibration: 2}}"
    (tmp_path / "own.yaml").write_text(f"tasks: {OWN}\n{sizes}\n")
    arguments = ("--configfile", TINY, "own.yaml", "--", "results/gates/test_set.json")
    result = run_snakemake(tmp_path, *arguments)
    assert result.returncode == 0, result.stdout[-4000:]
    decision = json.loads((tmp_path / "results/gates/test_set.json").read_text())
    assert decision["decision"] == "pass"
    metrics = {criterion["metric"] for criterion in decision["criteria"]}
    assert {"surface_forms_rejected", "corruptions_accepted", "questions_accepted"} <= metrics
