"""The smoke test goes through load, guard, generation, judging and training, and stops itself in time."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.tiny_models import make_qwen2
from workflow_scripts import respond
from workflow_scripts.core import contamination, smoke
from workflow_scripts.core.budget import smoke as budget_smoke
from workflow_scripts.core.engines.loading import load_engine
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.schemas import ITEMS, write_records

CATALOGUE = "config/gpus.yaml"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny random model, and the engine around it."""
    path = make_qwen2(tmp_path_factory.mktemp("smoke") / "tiny")
    settings = {"backend": "transformers", "dtype": "float32", "device": "cpu", "batch_size": 16}
    return path, settings, load_engine(settings, path)


def config(**changes):
    return yaml.safe_load(Path("config/config.yaml").read_text()) | changes


LATE = """
import sys, time
from workflow_scripts.core import smoke
from workflow_scripts.core.outputs import guarded
with guarded(sys.argv[1]) as (output,), smoke.time_limit(0.2, 0.3):
    output.write_text("half")
    time.sleep(30)
"""


def test_the_money_is_a_time_limit(tmp_path):
    command = [sys.executable, "-c", LATE, str(tmp_path / "rates.json")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=25)
    assert result.returncode == 1 and not (tmp_path / "rates.json").exists()
    expected = "smoke: error: smoke.dollars = 0.3: stopped after 0 s, before more is spent\n"
    assert result.stderr == expected


def test_a_body_that_is_in_time_is_left_alone():
    with smoke.time_limit(0.2, 0.3) as stopwatch:
        assert stopwatch() < 0.2
    time.sleep(0.3)


def test_the_price_is_the_configured_one_or_the_catalogues():
    assert smoke.price_of({"price": None, "gpu": "h100-80gb"}, CATALOGUE) == 2.69
    assert smoke.price_of({"price": 3.29, "gpu": "h100-80gb"}, CATALOGUE) == 3.29


def test_the_guard_refuses_a_chat_marker(tiny):
    assert smoke.check_guard(tiny[2], ["Question: Name two birds.\nAnswer:"] * 3) == 3
    with pytest.raises(InputError, match="it holds <\\|im_start\\|>"):
        smoke.check_guard(tiny[2], ["<|im_start|>user\nName two birds."])


def test_a_guard_that_is_blind_is_refused(tiny, monkeypatch):
    monkeypatch.setitem(contamination.CHAT_FORMATS, "ChatML", "{}")
    with pytest.raises(InputError, match="guard found ChatML = 0"):
        smoke.check_guard(tiny[2], ["Question: Name two birds.\nAnswer:"])


def test_a_critic_without_numbers_is_refused(tiny, monkeypatch):
    from workflow_scripts.core import prompts

    template = prompts.load_template("config/prompts/critic.j2")
    shown = [{"instruction": "Name a bird.", "response": "owl"}]
    judged = [type("Judgement", (), {"margin": float("nan")})]
    monkeypatch.setattr(smoke.verdicts, "judge_distinct", lambda *arguments: judged)
    with pytest.raises(InputError, match="critic's margin = nan"):
        smoke.check_critic(tiny[2], template, "config/constitution.yaml", shown)


@pytest.fixture
def items(tmp_path):
    """Three items to answer."""
    row = {
        "seed": 0, "prompt_sha256": "", "provenance": "{}", "split": "dev", "type": "t", "family": "f",
        "cluster": "c", "check": "{}", "reference": "owl", "corruption": "",
    }  # fmt: skip
    rows = [
        {**row, "record_id": str(i), "item_id": str(i), "instruction": f"Name {i} birds."} for i in range(3)
    ]
    write_records(tmp_path / "items.parquet", rows, ITEMS)
    return tmp_path / "items.parquet"


def answer(tiny, items, *more):
    path, settings, _ = tiny
    evaluation = {"max_new_tokens": 8, "stop": ["\nQuestion:"]}
    arguments = ["--settings", json.dumps({"engine": settings, "evaluation": evaluation}), "--arm", "base"]
    arguments += ["--model", str(path), "--items", str(items), "--template", "config/prompts/completion.j2"]
    respond.main([*arguments, "--responses", str(items.with_name("out.json")), *more])


def test_a_dry_run_of_an_evaluation_builds_everything_and_generates_nothing(tiny, items, monkeypatch):
    from workflow_scripts.core.engines.transformers_engine import TransformersEngine

    def refuse(*arguments, **named):
        raise AssertionError("a dry run generates nothing")

    monkeypatch.setattr(TransformersEngine, "generate", refuse)
    answer(tiny, items, "--dry-run")
    found = json.loads(items.with_name("out.json").read_text())
    assert (found["requests"], found["most_new_tokens"]) == (3, 24)
    assert found["prompt_tokens"] == 3 * found["longest_prompt"] and found["engine"]["name"] == "transformers"
    with pytest.raises(AssertionError):
        answer(tiny, items)


def test_a_dry_run_refuses_what_the_run_would_refuse(tiny, items, tmp_path, capsys):
    template = tmp_path / "chat.j2"
    template.write_text("<|im_start|>user\n{{ instruction }}")
    with pytest.raises(SystemExit):
        answer(tiny, items, "--dry-run", "--template", str(template))
    assert "prompt 1 of 3" in capsys.readouterr().err and not items.with_name("out.json").exists()


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_the_whole_smoke_test_on_the_embedded_base(tmp_path):
    from tests.conftest import copy_sources, run_snakemake

    directory = copy_sources(tmp_path / "clone")
    result = run_snakemake(directory, "--", "results/smoke/rates.json", "results/smoke/dry_run/base.json")
    assert result.returncode == 0, result.stdout[-4000:]
    found = json.loads((directory / "results/smoke/rates.json").read_text())
    assert found["stage"] == "smoke" and found["model"] == "resources/demo_base"
    assert found["training"]["steps"] == 2 and 0 < found["dollars"] < 0.3
    assert found["training"]["longest_example"] > 0.9 * config()["sft"]["max_length"]
    assert all(0 < found["rates"][name] for name in budget_smoke.NEEDED)
    assert budget_smoke.read_rates(directory / "results/smoke/rates.json") is not None
    assert json.loads((directory / "results/smoke/dry_run/base.json").read_text())["requests"] == 30
    # A price at which not even the model can be loaded for the money.
    (directory / "dear.yaml").write_text("budget: {price: 1.0e+6}\n")
    again = ("dear.yaml", "--forcerun", "smoke_generation", "--", "results/smoke/rates.json")
    result = run_snakemake(directory, *again)
    assert result.returncode != 0 and "smoke.dollars = 0.3: stopped after 0 s" in result.stdout
    assert not (directory / "results/smoke/generation.json").exists()
