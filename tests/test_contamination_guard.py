"""The guard finds chat formats, special tokens and held-out exemplars, and proves that it would."""

import json
from pathlib import Path

import pytest
import yaml

from tests import tiny_models
from workflow_scripts import contamination_guard
from workflow_scripts.core import contamination, prompts, schemas
from workflow_scripts.core.constitution import load_constitution
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.task_splits import draw_splits
from workflow_scripts.core.tasks import load_tasks

CONFIG = Path(__file__).parents[1] / "config"
TEMPLATES = sorted((CONFIG / "prompts").glob("*.j2"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.make_qwen2(tmp_path_factory.mktemp("models") / "tiny-base")


@pytest.fixture(scope="module")
def items():
    tasks = load_tasks(CONFIG / "tasks" / "microworld.yaml")
    drawn = draw_splits(tasks, {"test": 20, "dev": 10, "calibration": 10}, 1)
    return [{**item, "provenance": "{}"} for item in drawn]


def guard(
    model,
    items,
    tmp_path,
    exemplars=CONFIG / "exemplars.yaml",
    templates=TEMPLATES,
    sentinels=CONFIG / "sentinels.yaml",
):
    paths = {}
    for split in ("test", "dev", "calibration"):
        paths[split] = tmp_path / f"{split}.parquet"
        schemas.write_records(paths[split], [item for item in items if item["split"] == split], schemas.ITEMS)
    settings = {"generation": {"pilot_size": 5, "instruction": {"shots": 5}, "answer": {"shots": 4}}}
    contamination_guard.main(
        ["--settings", json.dumps(settings), "--identity", str(model)]
        + [part for split, path in paths.items() for part in (f"--{split}", str(path))]
        + ["--exemplars", str(exemplars), "--constitution", str(CONFIG / "constitution.yaml")]
        + ["--sentinels", str(sentinels), "--guidance", str(CONFIG / "guidance.yaml")]
        + ["--prompts", *map(str, templates), "--report", str(tmp_path / "guard.json")]
    )
    report = json.loads((tmp_path / "guard.json").read_text(encoding="utf-8"))
    return report, {name: metric["value"] for name, metric in report["metrics"].items()}


def test_the_projects_prompts_are_clean_and_the_control_fires(model, items, tmp_path):
    report, metrics = guard(model, items, tmp_path)
    assert metrics == {
        "special_tokens_in_prompts": 0,
        "chat_markers_in_prompts": 0,
        "negative_control_fired": 1,
        "heldout_exemplars": 0,
        "heldout_sentinels": 0,
    }
    principles = load_constitution(CONFIG / "constitution.yaml")
    counts = {Path(path).stem: count for path, count in report["prompts_by_source"].items()}
    exemplars = yaml.safe_load((CONFIG / "exemplars.yaml").read_text(encoding="utf-8"))["exemplars"]
    guidance = yaml.safe_load((CONFIG / "guidance.yaml").read_text(encoding="utf-8"))
    assert counts == {
        "raw": 40,
        "completion": 40,
        "answers": 40,
        "critic": 40 * 2 * 2 * len(principles),
        "instructions": len(exemplars),
        "instructions-guided": max(len(exemplars), len(guidance["topics"]), len(guidance["verbs"])),
        "sentinels": 60,
    }
    wrapped = sum(min(contamination.CONTROLS, count) for count in counts.values())
    expected = {"wrapped": wrapped, "found": wrapped}
    assert report["negative_control"] == dict.fromkeys(contamination.CHAT_FORMATS, expected)
    assert report["template_disabled"] is True and report["found"] == {}


def test_chatml_and_special_tokens_in_a_template_are_found(model, items, tmp_path):
    chat, special = tmp_path / "chat.j2", tmp_path / "special.j2"
    chat.write_text("<|im_start|>user\n{{ instruction }}<|im_end|>\n<|im_start|>assistant\n")
    special.write_text("{{ instruction }}<|endoftext|>")
    report, metrics = guard(model, items, tmp_path, templates=[*TEMPLATES, chat, special])
    assert metrics["chat_markers_in_prompts"] == 40 and metrics["special_tokens_in_prompts"] == 40
    assert report["found"][str(chat)][0]["markers"] == ["<|im_start|>", "<|im_end|>"]
    assert report["found"][str(special)][0]["tokens"] == ["<|endoftext|>"]


def test_a_held_out_exemplar_is_found(model, items, tmp_path):
    leaked = next(item for item in items if item["split"] == "dev")
    content = yaml.safe_load((CONFIG / "exemplars.yaml").read_text(encoding="utf-8"))
    content["exemplars"].append({"instruction": leaked["instruction"].upper(), "response": "x"})
    exemplars = tmp_path / "exemplars.yaml"
    exemplars.write_text(yaml.safe_dump(content))
    report, metrics = guard(model, items, tmp_path, exemplars=exemplars)
    assert metrics["heldout_exemplars"] == 1 and report["heldout_exemplars"][0]["split"] == "dev"


def test_a_held_out_sentinel_is_found(model, items, tmp_path):
    leaked = next(item for item in items if item["split"] == "test")
    content = yaml.safe_load((CONFIG / "sentinels.yaml").read_text(encoding="utf-8"))
    content["sentinels"][7]["prompt"] = f"  {leaked['instruction'].lower()}"
    sentinels = tmp_path / "sentinels.yaml"
    sentinels.write_text(yaml.safe_dump(content))
    report, metrics = guard(model, items, tmp_path, sentinels=sentinels)
    assert metrics["heldout_sentinels"] == 1 and report["heldout_sentinels"][0]["split"] == "test"


def test_a_blind_guard_is_noticed(model, items, tmp_path, monkeypatch):
    monkeypatch.setattr(prompts, "CHAT_MARKERS", ())
    _, metrics = guard(model, items, tmp_path)
    assert metrics["negative_control_fired"] == 0


def test_a_guard_that_knows_one_chat_format_alone_is_noticed(model, items, tmp_path, monkeypatch):
    monkeypatch.setattr(prompts, "CHAT_MARKERS", ("<|im_start|>",))
    report, metrics = guard(model, items, tmp_path)
    assert metrics["negative_control_fired"] == 0.25
    assert {name for name, part in report["negative_control"].items() if part["found"]} == {"ChatML"}


def test_the_control_fires_where_chat_tokens_are_in_the_vocabulary(items, tmp_path):
    """As in Qwen2.5, whose base has them too: there the markers are special tokens, not text."""
    tokens = ("<|im_start|>", "<|im_end|>")
    model = tiny_models.make_qwen2(tmp_path / "chat-vocabulary", 0, tokens)
    chat = tmp_path / "chat.j2"
    chat.write_text("<|im_start|>user\n{{ instruction }}<|im_end|>\n")
    report, metrics = guard(model, items, tmp_path, templates=[*TEMPLATES, chat])
    assert metrics["negative_control_fired"] == 1 and metrics["special_tokens_in_prompts"] == 40
    assert report["found"][str(chat)][0]["tokens"] == list(tokens)


def test_a_template_with_an_unknown_variable_is_refused(items, tmp_path):
    path = tmp_path / "odd.j2"
    path.write_text("{{ instruction }} {{ system }}")
    material = contamination.Material(items, [{"instruction": "a", "response": "b"}], [], 1)
    with pytest.raises(InputError, match="odd.j2: variable = 'system'"):
        contamination.rendered_prompts(prompts.load_template(path), material)
