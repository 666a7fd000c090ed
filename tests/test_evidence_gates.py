"""Gates on what a real run made, damaged: measured anew, and the criterion that is meant stops.

The gates not here have such tests beside their metrics: contamination, critic, leakage, pairs, lifts, claim.
"""

import json
from pathlib import Path

import pytest
import yaml

from workflow_scripts import gate, generation_qc, test_set_audit
from workflow_scripts.core import schemas
from workflow_scripts.core.task_splits import SPLITS

pytestmark = pytest.mark.slow
CONFIG = yaml.safe_load(Path("config/config.yaml").read_text())
MUCH = 0.4


def measure_items(run: Path, folder: Path, damage) -> Path:
    """The audit of the run's items, those of the test split damaged."""
    words = ["--tasks", CONFIG["tasks"], "--audit", str(folder / "audit.json")]
    for split in SPLITS:
        rows = schemas.read_records(run / f"results/test_set/{split}.parquet", schemas.ITEMS)
        path = folder / f"{split}.parquet"
        schemas.write_records(path, damage(rows) if split == "test" else rows, schemas.ITEMS)
        words += [f"--{split}", str(path)]
    test_set_audit.main(words)
    return folder / "audit.json"


def measure_pilot(run: Path, folder: Path, damage) -> Path:
    """The quality report of the run's pilot, its records damaged."""
    rows = schemas.read_records(run / "results/pilot/records.parquet", schemas.RECORDS)
    schemas.write_records(folder / "records.parquet", damage(rows), schemas.RECORDS)
    words = ["--records", str(folder / "records.parquet"), "--report", str(folder / "qc.json")]
    generation_qc.main([*words, "--detector-examples", CONFIG["detector_examples"]])
    return folder / "qc.json"


def measure_generation(run: Path, folder: Path, damage) -> Path:
    """The quality report of the run's shards and training set, the training set damaged."""
    train = schemas.read_records(run / "results/sft_data/train.parquet", schemas.SFT_EXAMPLES)
    schemas.write_records(folder / "train.parquet", damage(train), schemas.SFT_EXAMPLES)
    shards = sorted(map(str, (run / "results/generation").glob("shard-*.parquet")))
    words = ["--records", *shards, "--train", str(folder / "train.parquet")]
    words += ["--detector-examples", CONFIG["detector_examples"]]
    generation_qc.main([*words, "--report", str(folder / "qc.json")])
    return folder / "qc.json"


def some(rows: list[dict], **changes) -> list[dict]:
    """The rows with some columns of the first of them replaced."""
    changed = int(MUCH * len(rows)) + 1
    return [{**row, **changes} if place < changed else row for place, row in enumerate(rows)]


def repeated(rows: list[dict]) -> list[dict]:
    return [{**row, "instruction": rows[0]["instruction"]} for row in rows]


def looping(rows: list[dict]) -> list[dict]:
    """Responses that repeat a word until they are cut off."""
    return some(rows, response_raw=" owl" * 60, finish_reason="length")


def swapped(rows: list[dict]) -> list[dict]:
    """A reference that is the careless mistake of its item."""
    return [{**rows[0], "reference": rows[0]["corruption"]}, *rows[1:]]


@pytest.mark.parametrize(
    ("name", "measure", "damage", "criterion"),
    [
        ("test_set", measure_items, lambda rows: [rows[0], *rows], "duplicates"),
        ("test_set", measure_items, swapped, "references_rejected"),
        ("pilot", measure_pilot, lambda rows: some(rows, finish_reason="length"), "token_limit_rate"),
        ("pilot", measure_pilot, repeated, "duplicate_instruction_rate"),
        ("pilot", measure_pilot, looping, "runaway_rate"),
        (
            "generation",
            measure_generation,
            lambda rows: some(rows, completion=" owl\nQuestion: Name a bird."),
            "trained_delimiter_leaks",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_damaged_evidence_stops_the_gate(finished_run, tmp_path, capsys, name, measure, damage, criterion):
    settings = {"gate": {"name": name, "criteria": CONFIG["gates"][name], "override": None}}
    found = {}
    for state, change in (("whole", list), ("damaged", damage)):
        (tmp_path / state).mkdir()
        evidence, decision = measure(finished_run, tmp_path / state, change), tmp_path / f"{state}.json"
        words = ["--settings", json.dumps(settings), "--metrics", str(evidence), "--decision", str(decision)]
        gate.main([*words, "--record-only"])
        criteria = json.loads(decision.read_text())["criteria"]
        found[state] = {entry["metric"]: entry["decision"] for entry in criteria}
    assert found["whole"][criterion] == "pass"
    assert found["damaged"][criterion] == "stop"
    assert f"gate {name}: STOP" in capsys.readouterr().err
