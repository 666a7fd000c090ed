"""The configuration that ships is accepted; each kind of mistake is refused with field, value and remedy."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.changed_field import LEFT_OUT, with_field
from workflow_scripts.core import config_validation
from workflow_scripts.core.config_validation import check_config
from workflow_scripts.core.edits import ACTIONS
from workflow_scripts.core.errors import InputError

SCHEMA = yaml.safe_load(Path(config_validation.SCHEMA).read_text())
CONFIG = yaml.safe_load(Path("config/config.yaml").read_text())


@pytest.fixture
def project(tmp_path):
    """A copy of the configuration with a directory that looks like a base model."""
    shutil.copytree("config", tmp_path / "config")
    shutil.copytree("resources/detectors", tmp_path / "resources/detectors")
    model = tmp_path / CONFIG["base_model"]["path"]
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "qwen2"}')
    (model / "tokenizer_config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"")
    (model / "sentinels.json").write_text("{}")
    return tmp_path


def changed(field, value):
    """The shipped configuration with one field changed."""
    return with_field(CONFIG, field, value)


def refusal(config, root):
    with pytest.raises(InputError) as refused:
        check_config(config, root)
    return str(refused.value)


def test_the_shipped_configuration_is_accepted(project):
    check_config(CONFIG, project)


def properties(schema, path=""):
    """Every (dotted path, schema) below a schema, references resolved."""
    schema = resolved(schema)
    for name, entry in schema.get("properties", {}).items():
        yield f"{path}.{name}".lstrip("."), entry
        yield from properties(entry, f"{path}.{name}")
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        yield f"{path}.*", extra
        yield from properties(extra, f"{path}.*")


def resolved(schema):
    reference = schema.get("$ref")
    return schema | SCHEMA["$defs"][reference.rsplit("/", 1)[1]] if reference else schema


def objects(node):
    """Every object schema in the file."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) or "additionalProperties" in node:
            yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def test_every_key_is_described():
    described = dict(properties(SCHEMA))
    assert len(described) > 100
    assert not [name for name, entry in described.items() if len(entry.get("description", "")) < 6]


def test_no_object_admits_keys_that_nobody_described():
    for entry in objects(SCHEMA):
        assert entry.get("additionalProperties") is not True and "additionalProperties" in entry, entry


def test_schema_and_shipped_configuration_have_the_same_keys():
    def compare(config, schema, path=""):
        schema = resolved(schema)
        known = schema.get("properties")
        if known is None or not isinstance(config, dict):
            extra = schema.get("additionalProperties")
            for name, value in config.items() if isinstance(config, dict) and isinstance(extra, dict) else ():
                compare(value, extra, f"{path}.{name}")
            return
        judged = {"at_least", "at_most", "below", "above"}
        assert config.keys() - judged == known.keys() - judged, path
        for name, value in config.items():
            compare(value, known[name], f"{path}.{name}")

    compare(CONFIG, SCHEMA)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("sft/lerning_rate", 1e-4, r"sft\.lerning_rate: unknown key: did you mean learning_rate\?"),
        ("surprise", {}, r"surprise: unknown key: remove it; known here: seed"),
        ("sft/learning_rate", "1e-5", r"sft\.learning_rate = '1e-5': this is text, give a number: 1.0e-05"),
        ("sft/epochs", "2", r"sft\.epochs = '2': this is text, give a number: 2 "),
        ("sft/epochs", 2.5, r"sft\.epochs = 2\.5: "),
        ("sft/epochs", LEFT_OUT, r"sft\.epochs: this key is missing"),
        ("seed", -1, r"seed = -1: .*minimum"),
        ("engine/dtype", "float8", r"engine\.dtype = 'float8': .*bfloat16"),
        ("dpo/variants/main/beta", 0, r"dpo\.variants\.main\.beta = 0: "),
        (
            "dpo/variants/main/pair_set",
            "best-of-2",
            r"pair_set = 'best-of-2': preferences.sets has best-of-4",
        ),
        (
            "preferences/sets/best-of-4/candidates",
            9,
            r"candidates = 9: preferences.candidates is \d+: sample",
        ),
        ("sft_longer/steps_of", "absent", r"sft_longer\.steps_of = 'absent': dpo.variants has main"),
        (
            "statistics/primary/candidate",
            "dpo-absent",
            r"candidate = 'dpo-absent': the arms are base_raw, base",
        ),
        ("overrides/sftt", "a good enough reason", r"overrides\.sftt = .*the gates are contamination"),
        ("overrides/sft", "", r"overrides\.sft = ''"),
        (
            "gates/headroom/base_success/at_most",
            1,
            r"gates\.headroom\.base_success = .*one of at_least, at_most",
        ),
        (
            "gates/sft/lift",
            [{"bound": "low", "otherwise": "stop"}],
            r"gates\.sft\.lift\.0 = .*one of at_least",
        ),
        ("generation/answer/shots", 500, r"generation\.answer\.shots = 500: there are \d+ exemplars"),
        (
            "base_model/path",
            "models/absent",
            r"base_model\.path = 'models/absent': this model directory does not",
        ),
        (
            "base_model/recorded_rates",
            "models/absent.json",
            r"base_model\.recorded_rates = 'models/absent.json': this file does not exist",
        ),
        ("sentinels", "config/exemplars.yaml", r"sentinels = .*exemplars.yaml': max_new_tokens = None: give"),
        ("base_model/path", None, r"base_model = .*exactly one of path and repo"),
        ("base_model/repo", "Qwen/Qwen2.5-32B", r"base_model = .*exactly one of path and repo"),
        ("evaluation/labels", "labels.csv", r"evaluation\.labels = 'labels.csv': this file does not exist"),
        ("generation/edits", "edits.jsonl", r"generation\.edits = 'edits.jsonl': this file does not exist"),
        ("evaluation/repeats/items", 0, r"evaluation\.repeats\.items = 0: "),
        ("prompts/critic", "config/prompts/absent.j2", r"prompts\.critic = .*does not exist"),
        ("prompts/raw", "config/prompts/critic.j2", r"prompts\.raw = .*undefined variable first, principle"),
        ("prompts/critic", "config/prompts/raw.j2", r"prompts\.critic = .*does not use first, principle"),
    ],
)
def test_a_mistake_is_refused_in_one_line(project, field, value, named):
    message = refusal(changed(field, value), project)
    assert re.search(named, message), message
    assert message.startswith("config: ") and "\n" not in message


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("tasks", "tasks.yaml"),
        ("constitution", "constitution.yaml"),
        ("exemplars", "exemplars.yaml"),
        ("sentinels", "sentinels.yaml"),
        ("detector_examples", "labelled.jsonl"),
        ("prompts/critic", "critic.j2"),
    ],
)
def test_a_data_file_that_is_no_text_is_refused(project, field, name):
    (project / name).write_bytes(b"# no text: \xff\n")
    message = refusal(changed(field, name), project)
    assert re.search(rf"{field.replace('/', '.')} = .*{name}': byte \d+ is no UTF-8: save", message), message
    assert message.count("\n") == 0


@pytest.mark.parametrize(
    ("field", "text", "named"),
    [
        ("exemplars", "exemplars: [", "no valid YAML"),
        ("exemplars", "exemplars: [{instruction: a}]", r"exemplars\[0\] = .*response"),
        ("constitution", "principles: []", "principles = "),
        ("constitution", "a: b: c", "no valid YAML"),
    ],
)
def test_a_data_file_with_wrong_content_is_refused(project, field, text, named):
    (project / "wrong.yaml").write_text(text)
    message = refusal(changed(field, "wrong.yaml"), project)
    assert re.search(named, message) and "\n" not in message, message


def test_a_size_that_the_families_cannot_fill_is_refused(project):
    message = refusal(changed("test_set/sizes/test", 20000), project)
    assert "test_set.sizes = {" in message
    assert re.search(
        r"microworld.yaml: items of type list = 4180: its families have only \d+ distinct held-out", message
    )


def test_own_items_that_are_too_few_are_refused(project):
    lines = Path("tests/data/own_items.jsonl").read_text().splitlines()
    (project / "own.jsonl").write_text("\n".join(lines))
    config = changed("tasks", "own.jsonl")
    message = refusal(config, project)
    assert f"own.jsonl: items = 1900: it has only {len(lines)}: ask for fewer" in message
    config["test_set"]["sizes"] = {"test": len(lines) - 4, "dev": 2, "calibration": 2}
    check_config(config, project)


def test_a_repository_needs_a_revision(project):
    config = changed("base_model/repo", "Qwen/Qwen2.5-32B")
    config["base_model"]["path"] = None
    assert "base_model.revision: pin the repository" in refusal(config, project)
    config["base_model"]["revision"] = "0" * 40
    check_config(config, project)


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("adapter_config.json", "{}", "this is an adapter"),
        ("tokenizer_config.json", '{"chat_template": "x"}', "chat template"),
        ("chat_template.jinja", "x", "chat template"),
    ],
)
def test_an_adapter_or_an_instruct_model_is_no_base(project, name, content, named):
    (project / CONFIG["base_model"]["path"] / name).write_text(content)
    assert named in refusal(CONFIG, project)


def test_a_chat_template_can_be_accepted_with_a_reason(project):
    (project / CONFIG["base_model"]["path"] / "chat_template.jinja").write_text("x")
    config_validation.check_config(changed("base_model/accept_chat_template", "ships with the base"), project)


@pytest.mark.parametrize(
    ("name", "named"), [("config.json", "a config.json that names"), ("model.safetensors", "weights")]
)
def test_a_directory_without_a_model_is_refused(project, name, named):
    (project / CONFIG["base_model"]["path"] / name).unlink()
    assert named in refusal(CONFIG, project)


def test_a_template_that_cannot_be_parsed_is_refused_by_line(project):
    (project / CONFIG["prompts"]["answers"]).write_text("Question\n{% for %}")
    assert "prompts.answers = 'config/prompts/answers.j2': line 2: " in refusal(CONFIG, project)


def test_edits_are_read_before_any_job_starts(project):
    config = changed("generation/edits", "edits.jsonl")
    (project / "edits.jsonl").write_text('{"record_id": "a", "action": "drop"}\n')
    check_config(config, project)
    (project / "edits.jsonl").write_text('{"record_id": "a", "action": "drop"}\n{"record_id": "b"}\n')
    message = refusal(config, project)
    assert message == f"{project}/edits.jsonl: line 2, action: the actions are {', '.join(ACTIONS)}"
