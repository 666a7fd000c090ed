"""A plan that was written down: its lines do not add up, and its table of GPUs says less than it seems to."""

from pathlib import Path

import pytest
import yaml

from workflow_scripts import check_plan
from workflow_scripts.core.budget.catalogue import load_catalogue
from workflow_scripts.core.budget.ranges import Range, total
from workflow_scripts.core.budget.written_plan import judge_gpus, read_written_plan
from workflow_scripts.core.errors import InputError

WRITTEN, CATALOGUE = "config/plans/written_300.yaml", "config/gpus.yaml"
PLAN = read_written_plan(WRITTEN)
GPUS = {entry["gpu"]: entry for entry in judge_gpus(PLAN, load_catalogue(CATALOGUE).shape)}


def test_the_lines_do_not_add_up_to_the_total():
    assert total(PLAN.lines.values()) == Range(49.5, 72.5) and PLAN.total == Range(80, 87)
    with pytest.raises(InputError, match=r"hours.total = '80 to 87': the lines add up to 49.5 to 72.5"):
        PLAN.check_total()


def test_a_total_that_is_that_of_its_lines_is_accepted(tmp_path, capsys):
    content = yaml.safe_load(Path(WRITTEN).read_text())
    content["hours"]["total"] = {"low": 49.5, "high": 72.5}
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(content))
    check_plan.main(["--plan", str(path), "--catalogue", CATALOGUE])
    assert "lines: 49.5 to 72.5 h; stated: 49.5 to 72.5 h" in capsys.readouterr().err


def test_two_gpus_are_dominated():
    assert "h100-80gb" in GPUS["a100-80gb"]["dominated_by"]
    assert GPUS["l40-48gb"]["dominated_by"] == ["h100-80gb"]
    assert not any(GPUS[name]["dominated_by"] for name in ("h100-80gb", "h200-141gb", "rtx-a6000-48gb"))


def test_two_gpus_are_over_the_cap_at_their_upper_end():
    assert [name for name, entry in GPUS.items() if entry["over_cap"]] == ["a100-80gb", "h200-141gb"]
    assert GPUS["h200-141gb"]["dollars"] == {"low": 284.25, "high": 303.2}
    assert GPUS["a100-80gb"]["dollars"] == {"low": 287.1, "high": 304.5}


def test_the_cheapest_gpu_cannot_hold_the_model():
    cheapest = min(GPUS.values(), key=lambda entry: entry["dollars"]["high"])
    assert cheapest["gpu"] == "rtx-a6000-48gb" and not cheapest["holds_model"]
    assert GPUS["h100-80gb"]["holds_model"] and not GPUS["l40-48gb"]["holds_model"]


def test_the_command_prints_the_table_and_fails(capsys):
    with pytest.raises(SystemExit) as ended:
        check_plan.main(["--plan", WRITTEN, "--catalogue", CATALOGUE])
    printed = capsys.readouterr().err
    assert ended.value.code == 1
    assert "dominated by h100-80gb; does not hold the model in bfloat16" in printed
    assert f"error: {WRITTEN}: hours.total = '80 to 87': the lines add up to 49.5 to 72.5" in printed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda plan: plan.pop("cap"), "cap: give a number above 0"),
        (lambda plan: plan.update(cap=0), "cap = 0"),
        (lambda plan: plan["hours"].pop("total"), "total: give hours"),
        (lambda plan: plan["hours"]["lines"].update(SFT=9), "hours.lines.SFT = 9"),
        (lambda plan: plan["gpus"]["l40-48gb"].update(dollars_per_hour=-1), "l40-48gb.dollars_per_hour = -1"),
        (lambda plan: plan.update(gpus=[]), "give hours (lines, total), gpus"),
    ],
)
def test_a_plan_that_lacks_something_is_refused(tmp_path, change, named):
    content = yaml.safe_load(Path(WRITTEN).read_text())
    change(content)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as refused:
        read_written_plan(path)
    assert named in str(refused.value) and str(path) in str(refused.value)


@pytest.mark.parametrize("content", [b"hours: [", b"\xff", b""])
def test_a_file_that_is_no_plan_is_refused(tmp_path, content):
    path = tmp_path / "plan.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="plan.yaml"):
        read_written_plan(path)
    with pytest.raises(InputError, match="does not exist"):
        read_written_plan(tmp_path / "absent.yaml")
