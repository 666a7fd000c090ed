"""Splits and the two commands: distinct, held out, stratified, the same for a seed, or refused."""

import json
from collections import Counter

import pytest
import yaml

from workflow_scripts import test_set, test_set_audit
from workflow_scripts.core import checks, schemas, task_splits, tasks
from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_text

MICROWORLD = "config/tasks/microworld.yaml"
WORLD = tasks.load_tasks(MICROWORLD)
SIZES = {"test": 100, "dev": 33, "calibration": 20}
TINY = {
    "name": "tiny",
    "heldout_share": 0.5,
    "lexicon": {"words": ["ant", "bee", "cow", "doe", "eel", "fox", "gnu", "hen"]},
    "families": [
        {
            "name": name,
            "type": "format",
            "weight": weight,
            "slots": {"words_used": {"sample": "words", "count": count}},
            "templates": [name + " {{ words_used | join(', ') }}."],
            "check": {"kind": "sequence", "words": "words_used"},
            "reference": "words_used | join(' ')",
            "corruption": "'nothing'",
        }
        for name, weight, count in (("Copy", 1, 1), ("Repeat", 3, 2))
    ],
}


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return tasks.load_tasks(path)


def test_items_are_distinct_held_out_and_stratified():
    items = task_splits.draw_splits(WORLD, SIZES, 1)
    assert Counter(item["split"] for item in items) == SIZES
    assert len({normalise(item["instruction"]) for item in items}) == sum(SIZES.values())
    assert all(tasks.is_heldout(item["instruction"], WORLD.heldout_share) for item in items)
    for split, size in SIZES.items():
        types = Counter(item["type"] for item in items if item["split"] == split)
        assert len(types) == 5 and max(types.values()) - min(types.values()) == (1 if size % 5 else 0)
    families = Counter(item["family"] for item in items if item["split"] == "test")
    assert families["list"] == families["without"] == 10
    assert len(families) == len(WORLD.families)


def test_the_items_of_the_micro_world_stay_what_they_are():
    """The shipped results and the base's measured rates are about exactly these."""
    items = task_splits.draw_splits(WORLD, {"test": 1000, "dev": 600, "calibration": 300}, 20)
    digest = sha256_text("".join(item["item_id"] for item in items))
    assert digest == "d962987a57e2118d4dda3fad20f80d15db373dc2c342aab85b1fdf5750cb1d3c"


def test_items_are_a_function_of_seed_and_sizes():
    items = task_splits.draw_splits(WORLD, SIZES, 1)
    assert items == task_splits.draw_splits(WORLD, SIZES, 1)
    other = task_splits.draw_splits(WORLD, SIZES, 2)
    assert len({item["instruction"] for item in items} & {item["instruction"] for item in other}) < 30
    larger = task_splits.draw_splits(WORLD, SIZES | {"dev": 60}, 1)
    assert [item for item in items if item["split"] == "test"] == [
        item for item in larger if item["split"] == "test"
    ]


@pytest.mark.parametrize(
    "sizes", [{"test": 5, "dev": 0, "calibration": 1}, {"test": 1, "dev": 1, "calibration": 1}]
)
def test_small_sizes(sizes):
    items = task_splits.draw_splits(WORLD, sizes, 1)
    assert Counter(item["split"] for item in items) == Counter(sizes)


def test_a_type_can_be_used_up_and_not_more(tiny):
    available = tasks.capacity(tiny, 1000)["format"]
    held = [
        text
        for family in tiny.families
        for _, _, text in tasks.enumerate_instructions(family)
        if tasks.is_heldout(text, 0.5)
    ]
    assert available == len(held)
    items = task_splits.draw_splits(tiny, {"test": available - 10, "dev": 6, "calibration": 4}, 1)
    assert sorted(item["instruction"] for item in items) == sorted(held)
    with pytest.raises(InputError) as error:
        task_splits.draw_splits(tiny, {"test": available - 10, "dev": 6, "calibration": 5}, 1)
    for part in ("tiny.yaml", "items of type format", f"= {available + 1}", f"only {available} distinct"):
        assert part in str(error.value)


def test_shares_follow_weights_and_limits():
    assert task_splits.share_out(10, [1, 1], [10, 10]) == [5, 5]
    assert task_splits.share_out(11, [1, 1], [10, 10]) == [6, 5]
    assert task_splits.share_out(12, [1, 3], [12, 12]) == [3, 9]
    assert task_splits.share_out(12, [1, 3], [12, 4]) == [8, 4]
    assert task_splits.share_out(0, [1], [0]) == [0]


# ---- the commands


def run(directory, tasks_file=MICROWORLD, sizes=SIZES, seed=1):
    paths = {split: directory / f"{split}.parquet" for split in SIZES}
    settings = json.dumps({"test_set": {"seed": seed, "sizes": sizes}})
    flags = [f"--{split}={path}" for split, path in paths.items()]
    test_set.main(["--settings", settings, "--tasks", str(tasks_file), *flags])
    return paths, flags


def audit(directory, flags, tasks_file=MICROWORLD):
    output = directory / "audit.json"
    test_set_audit.main(["--tasks", str(tasks_file), *flags, "--audit", str(output)])
    return json.loads(output.read_text())


def test_commands_write_the_same_bytes_twice_and_a_clean_audit(tmp_path):
    first, flags = run(tmp_path / "a")
    second, _ = run(tmp_path / "b")
    for split in SIZES:
        assert first[split].read_bytes() == second[split].read_bytes()
        rows = schemas.read_records(first[split], schemas.ITEMS)
        assert len(rows) == SIZES[split] and {row["split"] for row in rows} == {split}
        origin = json.loads(rows[0]["provenance"])
        assert origin["tasks"]["name"] == "microworld" and str(tmp_path) not in rows[0]["provenance"]
    report = audit(tmp_path, flags)
    metrics = {name: entry["value"] for name, entry in report["metrics"].items()}
    assert report["stage"] == "test_set"
    assert metrics.pop("capacity_ratio") == 4.0
    assert [metrics.pop(f"items_{split}") for split in SIZES] == list(SIZES.values())
    assert set(metrics.values()) == {0.0}
    assert report["metrics"]["references_rejected"]["n"] == sum(SIZES.values())
    assert report["checks"].keys() == {"bracketed", "cased", "exact", "members", "sentence", "sequence"}
    for counts in report["checks"].values():
        assert counts["surface_forms"] > 5 * counts["items"] and counts["corruptions"] > 4 * counts["items"]
        assert counts["surface_forms_rejected"] == counts["corruptions_accepted"] == 0
    for column in ("surface_forms_rejected", "corruptions_accepted"):
        tried = sum(counts[column.rsplit("_", 1)[0]] for counts in report["checks"].values())
        assert report["metrics"][column]["n"] == tried
    assert sum(report["items_by_phrasing"].values()) == sum(SIZES.values())


def test_an_audit_finds_planted_faults(tmp_path):
    paths, flags = run(tmp_path)
    rows = {split: schemas.read_records(path, schemas.ITEMS) for split, path in paths.items()}
    test, dev = rows["test"], rows["dev"]
    test[1]["instruction"] = test[0]["instruction"].upper()
    dev[0]["instruction"] = test[0]["instruction"]
    test[2]["corruption"] = test[2]["reference"]
    test[3]["reference"] = "no idea"
    dev[1]["instruction"] = next(
        text
        for _, _, text in tasks.enumerate_instructions(WORLD.families[0])
        if not tasks.is_heldout(text, 0.3)
    )
    for split, path in paths.items():
        schemas.write_records(path, rows[split], schemas.ITEMS)
    report = audit(tmp_path, flags)
    metrics = {name: entry["value"] for name, entry in report["metrics"].items()}
    for name in (
        "duplicates",
        "overlap_between_splits",
        "corruptions_accepted",
        "references_rejected",
        "not_heldout",
    ):
        assert metrics[name] == 1.0, name
        assert len(report["examples"][name]) == 1
    assert report["examples"]["references_rejected"][0]["reference"] == "no idea"


def test_an_audit_finds_a_check_that_fails_long_answers(tmp_path, monkeypatch):
    """The rule of the published failure, put into one kind of check, is seen on the items alone."""
    _, flags = run(tmp_path)
    real = checks.CHECKS["sentence"]

    def legacy(response, **arguments):
        return checks.Verdict(False, "too long") if len(response) > 500 else real(response, **arguments)

    monkeypatch.setitem(checks.CHECKS, "sentence", legacy)
    report = audit(tmp_path, flags)
    rejected = report["metrics"]["surface_forms_rejected"]["value"]
    assert rejected == report["checks"]["sentence"]["items"] > 0
    assert report["metrics"]["references_rejected"]["value"] == 0.0
    example = report["examples"]["surface_forms_rejected"][0]
    assert example["text"] == "long" and len(example["tried"]) > 500


def test_a_size_that_cannot_be_filled_leaves_nothing(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        run(tmp_path, sizes=SIZES | {"test": 20_000})
    assert error.value.code == 1
    assert "items of type list = 4011" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_order_of_the_sizes_changes_nothing():
    backwards = dict(reversed(SIZES.items()))
    assert task_splits.draw_splits(WORLD, backwards, 1) == task_splits.draw_splits(WORLD, SIZES, 1)
