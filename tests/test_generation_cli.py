"""The command lines from records to scores, one after another, on a tiny taught model."""

import json
from pathlib import Path

import pytest
import yaml

from tests.taught_models import ANIMALS, taught_model
from tests.test_generation import ANSWER, ENGINE, EXEMPLARS, INSTRUCTION
from workflow_scripts import (
    audit_pairs,
    deduplicate,
    generate,
    generation_qc,
    respond,
    sample_candidates,
    score,
    select_pairs,
)
from workflow_scripts.core import hashing, schemas
from workflow_scripts.core.deduplication import exact
from workflow_scripts.core.outputs import write_json

SAMPLING = {"temperature": 1.2, "max_new_tokens": 16, "stop": ["\nQuestion:"]}
DEDUPLICATION = {
    "near": {"characters": 5, "permutations": 252, "threshold": 0.8},
    "coverage": {"words": 8, "threshold": 0.8},
    "skeletons": {"heldout": "report", "at_most_per_skeleton": None},
}
PREFERENCES = {"candidates": 4, "sampling": SAMPLING}
DETECTOR_EXAMPLES = ["--detector-examples", "resources/detectors/labelled.jsonl"]


def item(position: int, instruction: str, answer: str) -> dict:
    content = {
        "split": "test",
        "type": "transform",
        "family": "repeat",
        "cluster": "repeat/0",
        "instruction": instruction,
        "check": json.dumps({"kind": "sequence", "words": answer.split()}),
        "reference": answer,
        "corruption": "no",
    }
    name = hashing.record_id(position=position, **content)
    shared = {"seed": 1, "prompt_sha256": hashing.sha256_text(instruction), "provenance": "{}"}
    return {"record_id": name, "item_id": name, **shared, **content}


class Workspace:
    """Files of one small run; each method calls one command line and returns what it wrote."""

    def __init__(self, root: Path, threshold: float = -1e6):
        self.root = root
        self.base = root / "model.json"
        weights = hashing.sha256_weights(taught_model())
        write_json(self.base, {"label": "taught", "path": str(taught_model()), "weights_sha256": weights})
        prior = {"follows": 0.25, "correct": -0.5}
        write_json(root / "calibration.json", {"threshold": threshold, "prior": prior})
        write_json(
            root / "guard.json", {"stage": "guard", "metrics": {"special_tokens_in_prompts": {"value": 0.0}}}
        )
        (root / "exemplars.yaml").write_text(yaml.safe_dump({"exemplars": EXEMPLARS}))
        for split, offset in (("test", 1), ("dev", 2), ("calibration", 3)):
            pairs = [(one, ANIMALS[(place + offset) % 10]) for place, one in enumerate(ANIMALS)]
            items = [
                item(place, f"Repeat {one} {two}.", f"{one} {two}") for place, (one, two) in enumerate(pairs)
            ]
            schemas.write_records(root / f"{split}.parquet", items, schemas.ITEMS)

    def path(self, name: str) -> str:
        return str(self.root / name)

    def generate(
        self,
        shard: int,
        size: int = 24,
        stream: str = "generation",
        batch_size: int = 16,
        guidance: tuple[str, ...] = (),
    ) -> list[dict]:
        engine = {**ENGINE, "batch_size": batch_size}
        asked = {"lists": guidance[0], "avoid": 2} if guidance else None
        how = {"instruction": {**INSTRUCTION, "guidance": asked}, "answer": ANSWER}
        template = "instructions-guided" if guidance else "instructions"
        output = self.path(f"{stream}-{shard:03d}.parquet")
        generate.main(
            ["--settings", json.dumps({"engine": engine, "seed": 1, "generation": how})]
            + ["--identity", str(self.base), "--exemplars", self.path("exemplars.yaml")]
            + ["--instructions-template", f"config/prompts/{template}.j2"]
            + (["--guidance", *guidance] if guidance else [])
            + [
                "--answers-template",
                "config/prompts/answers.j2",
                "--critic-template",
                "config/prompts/critic.j2",
            ]
            + ["--constitution", "config/constitution.yaml", "--guard", self.path("guard.json")]
            + ["--calibration-report", self.path("calibration.json"), "--records", output]
            + ["--stream", stream, "--shard", str(shard), "--size", str(size)]
        )
        return schemas.read_records(output, schemas.RECORDS)

    def shards(self, prefix: str = "generation") -> list[str]:
        return [str(path) for path in sorted(self.root.glob(f"{prefix}-*.parquet"))]

    def deduplicate(self) -> tuple[list[dict], dict]:
        deduplicate.main(
            ["--settings", json.dumps({"deduplication": DEDUPLICATION}), "--records", *self.shards()]
            + ["--template", "config/prompts/completion.j2", "--sentinels", "config/sentinels.yaml"]
            + ["--exemplars", self.path("exemplars.yaml"), "--train", self.path("train.parquet")]
            + ["--overlap", self.path("overlap.json"), "--test", self.path("test.parquet")]
            + ["--dev", self.path("dev.parquet"), "--calibration", self.path("calibration.parquet")]
        )
        overlap = json.loads((self.root / "overlap.json").read_text())
        return schemas.read_records(self.path("train.parquet"), schemas.SFT_EXAMPLES), overlap

    def quality(self) -> dict:
        train = ["--train", self.path("train.parquet")]
        report = ["--report", self.path("qc.json")]
        generation_qc.main(["--records", *self.shards(), *DETECTOR_EXAMPLES, *train, *report])
        return json.loads((self.root / "qc.json").read_text())

    def candidates(self, shard: int, shards: int) -> list[dict]:
        output = self.path(f"candidates-{shard:03d}.parquet")
        sample_candidates.main(
            ["--settings", json.dumps({"engine": ENGINE, "seed": 1, "preferences": PREFERENCES})]
            + ["--model", str(taught_model()), "--critic-model", str(self.base), "--manifest", str(self.base)]
            + ["--examples", self.path("train.parquet"), "--template", "config/prompts/completion.j2"]
            + ["--critic-template", "config/prompts/critic.j2", "--constitution", "config/constitution.yaml"]
            + ["--calibration-report", self.path("calibration.json")]
            + ["--shard", str(shard), "--shards", str(shards), "--candidates", output]
        )
        return schemas.read_records(output, schemas.CANDIDATES)

    def pairs(self, count: int) -> tuple[list[dict], dict]:
        settings = json.dumps({"pair_set": {"candidates": count, "min_margin": 0.001}})
        pool = ["--candidates", *self.shards("candidates"), "--pairs", self.path("pairs.parquet")]
        select_pairs.main(["--settings", settings, *pool])
        audit_pairs.main([*pool, "--audit", self.path("audit.json")])
        audit = json.loads((self.root / "audit.json").read_text())
        return schemas.read_records(self.path("pairs.parquet"), schemas.PAIRS), audit

    def respond(self, arm: str, template: str, batch_size: int = 16) -> list[dict]:
        evaluation = {"max_new_tokens": 16, "stop": ["\nQuestion:"]}
        settings = {"engine": {**ENGINE, "batch_size": batch_size}, "evaluation": evaluation}
        respond.main(
            ["--settings", json.dumps(settings), "--arm", arm, "--model", str(self.base)]
            + ["--items", self.path("test.parquet"), "--template", f"config/prompts/{template}.j2"]
            + ["--responses", self.path(f"{arm}.parquet")]
        )
        return schemas.read_records(self.path(f"{arm}.parquet"), schemas.RESPONSES)

    def score(self, arm: str, items: str = "test") -> list[dict]:
        responses = ["--responses", self.path(f"{arm}.parquet")]
        score.main(
            ["--items", self.path(f"{items}.parquet"), *responses, "--scores", self.path("scores.parquet")]
        )
        return schemas.read_records(self.path("scores.parquet"), schemas.SCORES)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run up to its pairs: two shards of records, a training set, two shards of candidates."""
    workspace = Workspace(tmp_path_factory.mktemp("run"))
    workspace.records = [row for shard in (0, 1) for row in workspace.generate(shard)]
    workspace.train, workspace.overlap = workspace.deduplicate()
    workspace.pool = [row for shard in (0, 1) for row in workspace.candidates(shard, 2)]
    return workspace


def values(report: dict) -> dict:
    return {name: metric["value"] for name, metric in report["metrics"].items()}


def test_records(run):
    assert [(row["shard"], row["index"]) for row in run.records] == [
        (s, i) for s in (0, 1) for i in range(24)
    ]
    assert any(row["accepted"] for row in run.records)
    source = json.loads(run.records[0]["provenance"])
    assert source["model"]["id"] == "taught" and source["template_disabled"] is True
    assert source["contamination"] == {"special_tokens_in_prompts": 0.0}
    assert str(run.root) not in run.records[0]["provenance"]


def test_the_same_shard_is_the_same_file(run, tmp_path):
    again = Workspace(tmp_path)
    assert again.generate(1, batch_size=5) == run.records[24:]
    again.generate(0)
    assert (tmp_path / "generation-000.parquet").read_bytes() == (
        run.root / "generation-000.parquet"
    ).read_bytes()


def test_training_set(run):
    metric = values(run.overlap)
    assert metric["examples"] == len(run.train) > 3
    sets = ("test", "dev", "calibration", "exemplars", "sentinels")
    assert all(metric[f"{method}_{name}"] == 0 for method in ("exact", "near", "coverage") for name in sets)
    held_out = schemas.read_records(run.root / "test.parquet", schemas.ITEMS)
    known = {exact.instruction_sha256(row["instruction"]) for row in held_out}
    names = [exact.instruction_sha256(row["instruction"]) for row in run.train]
    assert len(set(names)) == len(names) and not known & set(names)
    assert sum(metric[f"removed_{name}"] for name in sets) > 0
    assert metric["removed_duplicates"] + metric["removed_near_duplicates"] > 0
    assert {row["record_id"] for row in run.overlap["removed"]}.isdisjoint(
        row["source_record_id"] for row in run.train
    )
    by_id = {row["record_id"]: row for row in run.records}
    for row in run.train:
        record = by_id[row["source_record_id"]]
        assert record["accepted"] and row["completion"] == " " + record["response"]
        assert row["prompt"] == f"Question: {row['instruction']}\nAnswer:"


def test_quality_over_the_union(run):
    report = run.quality()
    steps = {step["step"]: step["count"] for step in report["funnel"]}
    assert steps["generated"] == 48 and steps["trained_on"] == len(run.train) == steps["not_overlapping"]
    assert values(report)["records"] == 48 and values(report)["trained_records"] == len(run.train)


def test_a_shard_given_twice_is_refused(run, capsys):
    with pytest.raises(SystemExit):
        twice = [*run.shards(), run.shards()[0]]
        generation_qc.main(["--records", *twice, *DETECTOR_EXAMPLES, "--report", run.path("x.json")])
    assert "give every shard once" in capsys.readouterr().err


def test_candidates(run, tmp_path):
    assert len(run.pool) == 4 * len(run.train)
    assert all((row["verdict_margin"] is not None) == row["usable"] for row in run.pool)
    assert any(row["usable"] for row in run.pool)


def test_one_shard_or_two_hold_the_same_candidates(run, tmp_path):
    other = Workspace(tmp_path)
    (tmp_path / "train.parquet").write_bytes((run.root / "train.parquet").read_bytes())

    def texts(rows):
        return [(row["record_id"], row["response_raw"]) for row in rows]

    assert texts(other.candidates(0, 1)) == texts(run.pool)


def test_pairs_and_their_audit(run):
    four, audit = run.pairs(4)
    assert values(audit)["pairs"] == len(four) > 0
    assert values(audit)["untraceable_pairs"] == values(audit)["chosen_equals_rejected"] == 0
    numbers = {row["record_id"]: row["candidate"] for row in run.pool}
    two, _ = run.pairs(2)
    assert all(max(numbers[pair["chosen_id"]], numbers[pair["rejected_id"]]) < 2 for pair in two)
    assert all(pair["margin"] >= 0.001 and pair["chosen"].startswith(" ") for pair in four)


def test_responses_and_scores(run):
    responses = run.respond("base", "completion")
    items = schemas.read_records(run.root / "test.parquet", schemas.ITEMS)
    assert [row["item_id"] for row in responses] == [row["item_id"] for row in items]
    assert run.respond("base", "completion", batch_size=3) == responses
    scores = run.score("base")
    assert [row["item_id"] for row in scores] == [row["item_id"] for row in items]
    assert all(row["arm"] == "base" and row["reason"] for row in scores)
    raw = run.respond("base_raw", "raw")
    assert {row["prompt_sha256"] for row in raw}.isdisjoint(row["prompt_sha256"] for row in responses)


def test_scores_of_other_items_are_refused(run, capsys):
    run.respond("other", "completion")
    with pytest.raises(SystemExit):
        run.score("other", items="dev")
    error = capsys.readouterr().err
    assert "other.parquet: item_id: these are not the responses to" in error
    assert not (run.root / ".writing-scores.parquet").exists()


def test_nothing_accepted_goes_through_to_the_gates(tmp_path):
    empty = Workspace(tmp_path, threshold=1e6)
    assert not any(row["accepted"] for row in empty.generate(0, size=8))
    train, overlap = empty.deduplicate()
    assert train == [] and values(overlap)["examples"] == 0
    assert values(empty.quality())["acceptance_rate"] == 0
    assert empty.candidates(0, 1) == []
    pairs, audit = empty.pairs(4)
    assert pairs == [] and values(audit)["pairs"] == 0
