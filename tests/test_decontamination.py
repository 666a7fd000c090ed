"""Injected duplicates of every kind, within the data and in every held-out set, through the command line."""

import json
from pathlib import Path

import pytest
import yaml

from workflow_scripts import deduplicate
from workflow_scripts.core import hashing, schemas
from workflow_scripts.core.deduplication.exact import normalise
from workflow_scripts.core.deduplication.near import jaccard, shingles
from workflow_scripts.core.deduplication.selection import WITHIN

SPLITS = ("test", "dev", "calibration")
SETS = (*SPLITS, "exemplars", "sentinels")
METHODS = ("exact", "near", "coverage", "skeleton")
SETTINGS = {
    "near": {"characters": 5, "permutations": 252, "threshold": 0.8},
    "coverage": {"words": 8, "threshold": 0.8},
    "skeletons": {"heldout": "remove", "at_most_per_skeleton": 2},
}
# One held-out instruction of a set: long enough for n-grams of eight words, with a slot at its end.
HELD_OUT = {
    "test": "Say in your own words what a lighthouse keeper does at night, using: lamp, stairs, fog.",
    "dev": "Think of the oldest bridge that you have crossed and describe it with: stone, arch, moss.",
    "calibration": "Explain to a small child how bread rises in the oven by means of: yeast, sugar, heat.",
    "exemplars": "Invent a short name for a shop that repairs umbrellas and sells: rope, buttons, thread.",
}
FRESH = (
    "Why do cats purr?",
    "Draw a plan of an allotment with a shed.",
    "Which planet has the largest rings?",
    "Hum a tune that a sailor might know.",
)


def injected(text: str) -> dict[str, str]:
    """{method: an instruction that this method is made to find, and the ones before it are not}."""
    beginning, filling = text.split(": ")
    return {
        "exact": f"  {text.upper().removesuffix('.')}!",
        "near": f"{beginning[:-1]}n: {filling}",
        "coverage": f"Before lunch, and only if you feel like it: {text.removesuffix('.')}, or do a dance.",
        "skeleton": f"{beginning}: wine, moon and owls.",
    }


def item(split: str, position: int, instruction: str) -> dict:
    content = {"split": split, "type": "list", "family": "f", "cluster": f"f/{position}"}
    content |= {"instruction": instruction, "check": "{}", "reference": "r", "corruption": "c"}
    name = hashing.record_id(**content)
    shared = {"seed": 1, "prompt_sha256": "0", "provenance": "{}"}
    return {"record_id": name, "item_id": name, **shared, **content}


def record(index: int, instruction: str, response: str = "an answer") -> dict:
    return {
        "record_id": hashing.record_id(index=index, instruction=instruction),
        "seed": index,
        "prompt_sha256": "0",
        "provenance": "{}",
        "shard": 0,
        "index": index,
        "instruction": instruction,
        "instruction_prompt_sha256": "0",
        "instruction_finish_reason": "stop",
        "response_raw": response,
        "response": response,
        "finish_reason": "stop",
        "response_tokens": 2,
        "prompt_tokens": 9,
        "verdict_margin": 1.0,
        "p_yes": 0.7,
        "accepted": True,
        "rejected_reason": None,
    }


class Workspace:
    """Held-out files, and one run of the command line on given records."""

    def __init__(self, root: Path):
        self.root = root
        for split in SPLITS:
            items = [item(split, 0, HELD_OUT[split]), item(split, 1, f"An unlike {split} item of its own")]
            schemas.write_records(root / f"{split}.parquet", items, schemas.ITEMS)
        exemplars = [{"instruction": HELD_OUT["exemplars"], "response": "Rainy Days"}]
        (root / "exemplars.yaml").write_text(yaml.safe_dump({"exemplars": exemplars}))
        battery = yaml.safe_load(Path("config/sentinels.yaml").read_text())
        self.sentinel = "Tell the story of a clock that runs backwards and who found it: dusk, attic, key."
        battery["sentinels"][0]["prompt"] = self.sentinel
        (root / "sentinels.yaml").write_text(yaml.safe_dump(battery))

    def held_out(self, name: str) -> str:
        return HELD_OUT.get(name, self.sentinel)

    def run(
        self, records: list[dict], settings: dict = SETTINGS, shards: tuple[int, ...] = (0,)
    ) -> tuple[list[dict], dict]:
        """Training rows and overlap report; the records are dealt out to the shards, given in this order."""
        files = []
        for shard in shards:
            rows = [{**row, "shard": shard} for row in records if row["index"] % len(shards) == shard]
            files.append(self.root / f"shard-{shard}.parquet")
            schemas.write_records(files[-1], rows, schemas.RECORDS)
        held_out = [word for split in SPLITS for word in (f"--{split}", str(self.root / f"{split}.parquet"))]
        for name in ("exemplars", "sentinels"):
            held_out += [f"--{name}", str(self.root / f"{name}.yaml")]
        deduplicate.main(
            ["--settings", json.dumps({"deduplication": settings}), "--records", *map(str, files), *held_out]
            + ["--template", "config/prompts/completion.j2", "--train", str(self.root / "train.parquet")]
            + ["--overlap", str(self.root / "overlap.json")]
        )
        overlap = json.loads((self.root / "overlap.json").read_text())
        return schemas.read_records(self.root / "train.parquet", schemas.SFT_EXAMPLES), overlap


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def records_of(instructions) -> list[dict]:
    return [record(index, instruction) for index, instruction in enumerate(instructions)]


def removals(overlap: dict) -> set[tuple]:
    return {(row["record_id"], row["method"], row["set"]) for row in overlap["removed"]}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("method", METHODS)
def test_an_injected_duplicate_of_a_held_out_text_is_found_and_removed(workspace, name, method):
    records = records_of([*FRESH, injected(workspace.held_out(name))[method]])
    train, overlap = workspace.run(records)
    assert [row["instruction"] for row in train] == list(FRESH)
    assert (records[-1]["record_id"], method, name) in removals(overlap)
    assert {row["record_id"] for row in overlap["removed"]} == {records[-1]["record_id"]}
    # The method before it does not find it: each has a case of its own.
    found = {row["method"] for row in overlap["removed"] if row["set"] == name}
    assert found.isdisjoint(METHODS[: METHODS.index(method)])
    metrics = {key: metric["value"] for key, metric in overlap["metrics"].items()}
    assert metrics[f"removed_{name}"] == 1 and metrics["examples"] == len(FRESH)
    assert all(metrics[f"{each}_{other}"] == 0 for each in METHODS for other in SETS)


@pytest.mark.parametrize("method", ["exact", "near", "skeleton"])
def test_an_injected_duplicate_within_the_data_is_removed(workspace, method):
    text = "Think about all the ways in which a river could be crossed by night: boat, rope, log."
    records = records_of([text, *FRESH, "Write a limerick.", injected(text)[method]])
    settings = {**SETTINGS, "skeletons": {"heldout": "remove", "at_most_per_skeleton": 1}}
    train, overlap = workspace.run(records, settings)
    assert len(train) == len(records) - 1 and train[0]["instruction"] == text
    assert removals(overlap) == {(records[-1]["record_id"], method, WITHIN)}
    assert overlap["removed"][0]["matched"] == records[0]["record_id"]
    assert overlap["examples"][0]["matched"] == text


def test_a_response_that_repeats_a_held_out_text_is_removed(workspace):
    leaked = record(1, "What did you hear?", f"Well, it was this. {HELD_OUT['test']}")
    train, overlap = workspace.run([record(0, FRESH[0]), leaked])
    assert len(train) == 1 and removals(overlap) == {(leaked["record_id"], "coverage", "test")}


def test_held_out_templates_are_kept_and_counted_where_the_settings_say_so(workspace):
    settings = {**SETTINGS, "skeletons": {"heldout": "report", "at_most_per_skeleton": None}}
    train, overlap = workspace.run(records_of([injected(HELD_OUT["dev"])["skeleton"]]), settings)
    assert len(train) == 1 and overlap["removed"] == []
    assert overlap["metrics"]["skeleton_dev"] == {"value": 1.0, "n": 1}
    assert {"method": "skeleton", "set": "dev", "removed": 0, "left": 1} in overlap["counts"]


def test_a_near_duplicate_of_what_was_removed_stays(workspace):
    near = HELD_OUT["test"].replace("at night", "at noon")
    farther = near.replace("lighthouse", "lightship")
    grams = [shingles(normalise(text), 5) for text in (HELD_OUT["test"], near, farther)]
    assert min(jaccard(grams[0], grams[1]), jaccard(grams[1], grams[2])) >= 0.8 > jaccard(grams[0], grams[2])
    settings = {**SETTINGS, "skeletons": {"heldout": "report", "at_most_per_skeleton": None}}
    train, overlap = workspace.run(records_of([near, farther]), settings)
    assert [row["instruction"] for row in train] == [farther]
    assert {row["method"] for row in overlap["removed"]} == {"near"}


def test_the_result_does_not_depend_on_the_order_of_the_shards(workspace):
    texts = [text for name in SETS for text in injected(workspace.held_out(name)).values()]
    records = records_of([*FRESH, *texts, *FRESH])
    first = workspace.run(records, shards=(0, 1, 2))
    assert len(first[0]) < len(records) and workspace.run(records, shards=(2, 0, 1)) == first


def test_the_report_names_methods_sets_and_hashes(workspace):
    _, overlap = workspace.run(records_of([*FRESH, HELD_OUT["test"]]))
    assert [method["name"] for method in overlap["methods"]] == list(METHODS)
    near = overlap["methods"][1]["parameters"]
    assert near["bands"] * near["rows"] == 252 and near["recall_at_threshold"] > 0.999
    assert set(overlap["sets"]) == set(SETS)
    for split in SPLITS:
        path = workspace.root / f"{split}.parquet"
        assert overlap["sets"][split]["sha256"] == hashing.sha256_file(path)
        assert overlap["sets"][split]["texts"] == 2
    assert overlap["sets"]["test"]["frames"]["f/1"] == "an unlike test item of its own"
    assert overlap["train_sha256"] == hashing.sha256_file(workspace.root / "train.parquet")
    pairs = {(row["method"], row["set"]) for row in overlap["counts"]}
    assert pairs == {(method, name) for method in METHODS for name in SETS} | {
        (method, WITHIN) for method in ("exact", "near", "skeleton")
    }
    assert {row["matched"] for row in overlap["removed"] if row["set"] == "test"} == {
        item("test", 0, HELD_OUT["test"])["item_id"]
    }


def test_what_removal_would_miss_the_report_sees(workspace, monkeypatch):
    """The metrics are measured on the written file: a removal that does nothing does not pass unseen."""
    monkeypatch.setattr(deduplicate.selection, "select", lambda records, *_: (list(range(len(records))), []))
    records = records_of([*injected(HELD_OUT["test"]).values(), HELD_OUT["dev"], HELD_OUT["dev"]])
    _, overlap = workspace.run(records)
    metrics = {key: metric["value"] for key, metric in overlap["metrics"].items()}
    assert metrics["exact_test"] == 1 and metrics["near_test"] == 2 and metrics["skeleton_test"] == 2
    assert metrics["coverage_test"] == 2 and metrics["exact_dev"] == 2 and metrics["duplicates"] == 1
    assert metrics["near_duplicates"] == 1 and metrics["skeleton_excess"] == 0


def test_sentinels_that_cannot_be_read_are_refused_and_nothing_is_written(workspace, capsys):
    (workspace.root / "sentinels.yaml").write_text("sentinels: []\nmax_new_tokens: 4\n")
    with pytest.raises(SystemExit):
        workspace.run(records_of(FRESH))
    assert "sentinels.yaml: sentinels = 0" in capsys.readouterr().err
    assert not (workspace.root / "train.parquet").exists() and not (workspace.root / "overlap.json").exists()
