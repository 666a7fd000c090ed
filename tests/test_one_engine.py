"""Arms that different engines answered are not compared: not in comparisons, not on dev, not as repeats."""

import json

import pytest

from tests.evaluation_files import write_arm, write_items, write_jsonl, write_repeat
from workflow_scripts import compare, dev_lift
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.evaluation.repeats import read_repeat
from workflow_scripts.core.evaluation.scored_answers import read_answers
from workflow_scripts.core.schemas import ITEMS, RESPONSES, read_records, write_records

ENGINE = {"name": "transformers", "version": "5", "dtype": "float32", "device": "cpu", "batch_policy": "any"}
ANSWERS = [{"response": f"answer {place}", "success": place % 3 == 0} for place in range(12)]
OTHERS = [
    ("dtype", "bfloat16"),
    ("version", "6"),
    ("device", "cuda"),
    ("batch_policy", "at most 8"),
    ("quantization", "fp8"),
]


def arms(folder, **changes):
    """(base's files, sft's files), sft answered by an engine with these changes."""
    return (
        write_arm(folder, "base", ANSWERS, engine=ENGINE),
        write_arm(folder, "sft", ANSWERS, engine=ENGINE | changes),
    )


@pytest.mark.parametrize(("name", "value"), OTHERS)
def test_arms_of_different_engines_are_refused_wherever_they_meet(tmp_path, capsys, name, value):
    (base, base_responses), (sft, sft_responses) = arms(tmp_path, **{name: value})
    for main, words in (
        (compare.main, ["--scores", base, sft, "--comparisons"]),
        (dev_lift.main, ["--baseline", base, "--candidate", sft, "--report"]),
    ):
        with pytest.raises(SystemExit):
            main([*words, str(tmp_path / "out.json")])
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert f"sft/scores.parquet: engine.{name} = {value!r}: base was answered with" in line
        assert not (tmp_path / "out.json").exists()
    with pytest.raises(InputError, match=f"sft/responses.parquet: engine.{name} = {value!r}"):
        read_answers([base, sft], [base_responses, sft_responses])


def test_arms_of_one_engine_and_of_unknown_ones_are_compared(tmp_path):
    (base, _), (sft, _) = arms(tmp_path)
    rows = [
        {"item_id": f"item-{place:05d}", "type": ("list", "factual")[place % 2], "success": True}
        for place in range(12)
    ]
    rows = [{**row, "cluster": f"{row['type']}/{place % 7}"} for place, row in enumerate(rows)]
    own = write_jsonl(tmp_path / "own.jsonl", [{**row, "provenance": "by hand"} for row in rows])
    compare.main(["--scores", base, sft, own, "--comparisons", str(tmp_path / "out.json")])
    assert len(json.loads((tmp_path / "out.json").read_text())["arms"]) == 3


def test_a_file_that_several_engines_answered_is_refused(tmp_path):
    (base, responses), _ = arms(tmp_path)
    rows = read_records(responses, RESPONSES)
    rows[3]["provenance"] = json.dumps({"engine": ENGINE | {"dtype": "bfloat16"}})
    write_records(responses, rows, RESPONSES)
    with pytest.raises(InputError, match="engine.dtype: its rows were answered by different engines"):
        read_answers([base], [responses])


@pytest.mark.parametrize(
    ("way", "changes", "named"),
    [
        ("same", {}, None),
        ("same", {"batch_policy": "at most 8"}, "batch_policy"),
        ("other_batch", {"batch_policy": "at most 8"}, None),
        ("other_batch", {"dtype": "bfloat16"}, "dtype"),
    ],
)
def test_an_arm_is_asked_again_with_its_own_engine(tmp_path, way, changes, named):
    scores, responses = write_arm(tmp_path, "base", ANSWERS, engine=ENGINE)
    items = read_records(write_items(tmp_path / "items.parquet", {"base": ANSWERS}), ITEMS)
    path = write_repeat(tmp_path / "repeat.parquet", responses, {}, 5)
    rows = read_records(path, RESPONSES)
    again = [{**row, "provenance": json.dumps({"engine": ENGINE | changes})} for row in rows]
    write_records(path, again, RESPONSES)
    known = read_answers([scores], [responses])
    by_id = {item["item_id"]: item for item in items}
    if named is None:
        assert len(read_repeat(path, way, known, by_id).places) == 5
    else:
        with pytest.raises(InputError, match=f"repeat.parquet: engine.{named}"):
            read_repeat(path, way, known, by_id)
