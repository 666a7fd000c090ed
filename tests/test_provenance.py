"""A record's provenance and the file of a session."""

import json
import os
import subprocess
import time
from types import SimpleNamespace

import pytest

from workflow_scripts.core import provenance, sessions
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.outputs import write_json

ARGUMENTS = {
    "model": {"id": "demo", "weights_sha256": "1"},
    "engine": {"name": "transformers", "version": "5"},
    "sampling": {"temperature": 0},
    "templates": {"completion": "2"},
    "code": "3",
}


def test_provenance_holds_what_the_contract_names():
    content = json.loads(
        provenance.provenance(**ARGUMENTS, guard={"decision": "pass"}, critic={"threshold": 1.0})
    )
    assert content["template_disabled"] is True and content["add_special_tokens"] is False
    assert content["contamination"] == {"decision": "pass"} and content["critic"] == {"threshold": 1.0}
    assert content["code_digest"] == "3" and content["packages"]["torch"].replace(".", "").isdigit()
    assert {"git_commit", "git_dirty", "model", "engine", "sampling", "templates"} <= content.keys()


def test_provenance_is_the_same_twice_and_names_no_place():
    first, second = (provenance.provenance(**ARGUMENTS) for _ in range(2))
    assert first == second
    assert str(provenance.PROJECT_ROOT) not in first and os.uname().nodename not in first


def test_git_state_follows_tracked_files_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PROJECT_ROOT", tmp_path)
    read = provenance.git_state.__wrapped__
    assert read() == {"git_commit": None, "git_dirty": None}
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "a").write_text("1")
    for command in (["init", "-q"], ["add", "a"], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    (tmp_path / "untracked").write_text("1")
    assert len(read()["git_commit"]) == 40 and read()["git_dirty"] is False
    (tmp_path / "a").write_text("2")
    assert read()["git_dirty"] is True


def test_a_model_is_named_without_its_path(tmp_path):
    model = tmp_path / "sft-merged"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"1")
    write_json(model / "config.json", {"dtype": "float32"})
    identity = provenance.model_identity(model)
    assert identity["id"] == "sft-merged" and identity["dtype"] == "float32" and identity["revision"] is None
    write_json(tmp_path / "model.json", {"label": "demo", "revision": "r", "weights_sha256": "w"})
    expected = {"id": "demo", "revision": "r", "weights_sha256": "w", "dtype": None}
    assert provenance.model_identity(tmp_path / "model.json") == expected
    with pytest.raises(InputError):
        provenance.model_identity(tmp_path / "absent")


def test_a_session_lists_what_was_planned_and_what_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = [SimpleNamespace(output=["made"]), SimpleNamespace(output=["model", "not made"])]
    jobs.append(SimpleNamespace(output=[]))  # the rule that names the last files
    workflow = SimpleNamespace(dag=SimpleNamespace(needrun_jobs=lambda: jobs))
    config = {"seed": 1, "overrides": {"sft": "a reason to go on"}}
    path = sessions.start_session(
        "sessions",
        config=config,
        planned=sessions.planned_files(workflow),
        jobs=sessions.planned_jobs(workflow),
    )
    started = json.loads(path.read_text())
    assert started["status"] == "running" and started["planned"] == ["made", "model", "not made"]
    assert started["planned_jobs"] == 2
    assert started["overrides"] == config["overrides"] and started["machine"]["cpus"] >= 1
    (tmp_path / "made").write_text("1")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("1")
    os.utime(tmp_path / "made", (time.time(), time.time() + 1))
    os.utime(tmp_path / "model", (time.time(), time.time() + 1))
    sessions.finish_session(path, "completed")
    finished = json.loads(path.read_text())
    assert finished["status"] == "completed" and finished["end"] >= finished["start"]
    assert finished["made"]["made"]["bytes"] == 1 and "weights" in finished["made"]["model"]["files"]
    assert "not made" not in finished["made"]
