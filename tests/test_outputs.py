"""Outputs are whole or absent, also when a writer fails or is killed."""

import os
import signal
import subprocess
import sys

import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.outputs import guarded, temporary_name, write_json

WRITER = """
import sys, time
from workflow_scripts.core.outputs import guarded
from workflow_scripts.core.runtime import job
with job("writer"), guarded(sys.argv[1]) as (path,):
    path.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_files_and_directories_are_moved_into_place(tmp_path):
    with guarded(tmp_path / "new" / "a.json", tmp_path / "model") as (file, directory):
        assert file.suffix == ".json" and file.parent == tmp_path / "new"
        write_json(file, {"b": 1, "a": 0.1})
        directory.mkdir()
        (directory / "weights").write_text("1")
        assert not (tmp_path / "model").exists()
    assert (tmp_path / "new" / "a.json").read_text() == '{\n "a": 0.1,\n "b": 1\n}\n'
    assert names(tmp_path) == ["model", "new"] and names(tmp_path / "new") == ["a.json"]


def test_earlier_outputs_are_replaced(tmp_path):
    for text in ("old", "new"):
        with guarded(tmp_path / "a", tmp_path / "d") as (file, directory):
            file.write_text(text)
            directory.mkdir()
            (directory / text).write_text(text)
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path / "d") == ["new"] and names(tmp_path) == ["a", "d"]


def test_an_error_leaves_nothing_new_and_keeps_what_was(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), guarded(tmp_path / "a", tmp_path / "b") as (first, second):
        first.write_text("new")
        second.mkdir()
        raise RuntimeError
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


def test_an_output_that_was_not_written_moves_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="b"), guarded(tmp_path / "a", tmp_path / "b") as (first, _):
        first.write_text("1")
    assert names(tmp_path) == []


def test_a_second_writer_is_refused(tmp_path):
    with guarded(tmp_path / "a") as (path,):
        path.write_text("first")
        with pytest.raises(InputError, match="another process is writing"), guarded(tmp_path / "a"):
            pass
    assert (tmp_path / "a").read_text() == "first" and names(tmp_path) == ["a"]


def start_writer(path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "writing\n"
    return writer


def test_a_second_process_is_refused_and_may_write_once_the_first_is_killed(tmp_path):
    writer = start_writer(tmp_path / "a")
    with pytest.raises(InputError), guarded(tmp_path / "a"):
        pass
    writer.kill()
    writer.wait()
    assert not (tmp_path / "a").exists() and temporary_name(tmp_path / "a").read_text() == "half"
    with guarded(tmp_path / "a") as (path,):
        assert not path.exists()
        path.write_text("whole")
    assert (tmp_path / "a").read_text() == "whole" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_writer_that_is_asked_to_end_removes_what_it_began(tmp_path, number):
    writer = start_writer(tmp_path / "a")
    os.kill(writer.pid, number)
    assert writer.wait(timeout=20) != 0
    assert names(tmp_path) == []


def test_many_writers_in_turn_never_leave_a_lock(tmp_path):
    code = WRITER.replace("time.sleep(60)", "")
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a")]) for _ in range(4)]
    assert 0 in [writer.wait() for writer in writers]
    assert names(tmp_path) == ["a"]


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"value": float("inf")})
    assert names(tmp_path) == []
