"""The jobs that a review lists, with their reasons, against what Snakemake then runs: on a small workflow."""

import json
import shutil

import pytest

from tests import small_workflow
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.review import page
from workflow_scripts.core.review.gates_ahead import gates_ahead
from workflow_scripts.core.review.graph import Change, Reason
from workflow_scripts.core.review.reading import read_graph


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = small_workflow.write(tmp_path_factory.mktemp("small") / "run")
    small_workflow.run(folder)
    return folder


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    """A copy of the finished run as the current directory, modification times kept."""
    copy = shutil.copytree(finished, tmp_path / "run")
    monkeypatch.chdir(copy)
    return copy


def graph():
    return read_graph(small_workflow.ARGUMENTS)


def reasons(graph):
    """{job: {kind: reason}} of the jobs that would run."""
    return {job.name: {reason.kind: reason for reason in job.reasons} for job in graph.to_run}


def run_and_compare(folder, graph):
    """Runs for real: the files that were written are those of the jobs that were listed."""
    before = small_workflow.times(folder)
    small_workflow.run(folder)
    after = small_workflow.times(folder)
    written = {name for name, time in after.items() if before.get(name) != time}
    assert written == {output for job in graph.to_run for output in job.outputs}


def test_a_first_run_makes_everything_and_a_finished_one_nothing(folder):
    assert graph().to_run == () and graph().unrecorded == ()
    shutil.rmtree(folder / "results")
    shutil.rmtree(folder / ".snakemake")
    first = graph()
    assert len(first.to_run) == len(first.jobs) == 6
    assert all(job.reasons[0].kind == "missing" for job in first.jobs)
    assert [job.stage for job in first.jobs] == ["making"] * 6 and first.results == "results"


def test_a_setting_is_told_with_its_old_and_new_value(folder):
    small_workflow.edit(folder / "config.yaml", "tokens: 3", "tokens: 4")
    found = graph()
    change = Change("decoding.tokens", "3", "4")
    assert reasons(found)["answer"] == {"setting": Reason("setting", changes=(change,))}
    # Snakemake itself would say of the report only that it follows from the answer.
    assert reasons(found)["report"]["setting"].changes == (change,)
    assert reasons(found)["report"]["upstream"].items == ("results/answer.txt",)
    run_and_compare(folder, found)


def test_one_more_shard_is_one_job_and_another_set_of_inputs(folder):
    small_workflow.edit(folder / "config.yaml", "shards: 2", "shards: 3")
    found = graph()
    assert reasons(found).keys() == {"shard shard=2", "report"}
    assert reasons(found)["shard shard=2"]["missing"].items == ("results/shard-2.txt",)
    assert reasons(found)["report"]["inputs"].changes == (Change("results/shard-2.txt", None, "added"),)


def test_a_changed_file_a_changed_command_and_a_changed_environment(folder):
    (folder / "source.txt").write_text("two\n")
    small_workflow.edit(folder / "making.smk", 'environment="e1"', 'environment="e2"')
    small_workflow.edit(folder / "making.smk", "cp {input.metrics:q}", "cp  {input.metrics:q}")
    found = reasons(graph())
    assert found["answer"]["input"].items == ("source.txt",)
    assert found["shard shard=0"].keys() == {"input", "environment"}
    assert found["gate"].keys() == {"command"}
    run_and_compare(folder, graph())


def test_a_touched_file_is_no_reason(folder):
    for path in sorted(folder.rglob("*.txt")):
        path.touch()
    assert graph().to_run == ()


def test_what_hangs_on_ancient_files_alone_is_left_out_and_made_by_a_second_run(folder):
    """Snakemake looks no further behind a job that runs: what changed there itself is not seen."""
    small_workflow.edit(folder / "config.yaml", "level: 1", "level: 5")
    small_workflow.edit(folder / "config.yaml", "tokens: 3", "tokens: 4")
    found = graph()
    assert [job.name for job in found.left_out] == ["answer", "report"]
    assert found.left_out[0].reasons[0].changes == (Change("decoding.tokens", "3", "4"),)
    assert reasons(found).keys() == {"plan"}
    run_and_compare(folder, found)
    second = graph()
    assert [job.name for job in second.to_run] == ["answer", "report"] and second.left_out == ()
    run_and_compare(folder, second)
    assert graph().to_run == ()


def test_code_is_a_reason_of_its_own(folder):
    (folder / "code.txt").write_text("b" * 64)
    found = graph()
    assert reasons(found)["plan"].keys() == {"code"}
    # The gate names that file as an input; the answer, behind the plan by an ancient file alone, is left out.
    assert reasons(found)["gate"]["input"].items == ("code.txt",)
    assert reasons(found)["gate"]["code"].items == ("code.txt",)
    assert json.dumps(page.job_list(found, []))  # plain texts, none of Snakemake's own kinds of them
    assert [job.name for job in found.left_out] == ["answer"]


def test_results_without_records_run_nothing_and_are_counted(folder):
    shutil.rmtree(folder / ".snakemake")
    small_workflow.edit(folder / "config.yaml", "tokens: 3", "tokens: 4")
    assert graph().to_run == () and len(graph().unrecorded) == 6


def test_a_gate_on_metrics_that_are_there_is_judged_beforehand(folder):
    (gate,) = gates_ahead(graph())
    assert gate.decided == "pass" and gate.foreseen is None and not gate.ends_the_run
    small_workflow.edit(folder / "config.yaml", "at_most: 0.5", "at_most: 0.1")
    found = graph()
    assert reasons(found)["gate"]["setting"].changes == (Change("gate.criteria.rate.at_most", "0.5", "0.1"),)
    (gate,) = gates_ahead(found)
    assert gate.foreseen == "stop" and gate.missed == "rate <= 0.1, otherwise stop" and gate.ends_the_run
    assert [job.name for job in gate.waiting] == ["report"]


def test_results_that_another_run_holds_are_said_to_be_held(folder):
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text().replace("level: 1", "level: 2"))
    assert not graph().is_locked
    (folder / ".snakemake/locks/0.output.lock").write_text("results/report.txt\n")
    found = graph()
    assert found.is_locked and len(found.to_run) > 0


def test_what_snakemake_cannot_plan_is_one_error(folder, capfd):
    (folder / "source.txt").unlink()
    shutil.rmtree(folder / "results")
    with pytest.raises(InputError, match="cannot plan this run"):
        graph()
    assert "source.txt" in "".join(capfd.readouterr())


def test_the_drawings_are_those_that_snakemake_prints(folder):
    drawings = graph().drawings
    assert drawings.keys() == {"dag", "rulegraph", "filegraph"}
    assert all(text.lstrip().startswith("digraph snakemake_dag") for text in drawings.values())
