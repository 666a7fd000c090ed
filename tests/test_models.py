"""What may be a base model and what not; loading; the identity file and its command."""

import json
import shutil

import pytest
import torch

from tests import tiny_models
from workflow_scripts import base_model
from workflow_scripts.core import models
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import sha256_file, sha256_weights
from workflow_scripts.core.model_files import loaded_files
from workflow_scripts.core.provenance import model_identity


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny_models.make_qwen2(tmp_path_factory.mktemp("models") / "tiny-base")


@pytest.fixture
def directory(original, tmp_path):
    return shutil.copytree(original, tmp_path / "tiny-base")


def edit(path, **fields):
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**content, **fields}), encoding="utf-8")


def refusal(directory, **options):
    with pytest.raises(InputError) as error:
        models.inspect_base(directory, **options)
    return str(error.value)


def test_a_base_model_is_accepted(directory):
    found = {"architecture": "Qwen2ForCausalLM", "dtype": "float32", "has_chat_template": False}
    assert models.inspect_base(directory) == found


def test_a_missing_directory_is_refused(tmp_path):
    assert refusal(tmp_path / "absent") == (
        f"{tmp_path}/absent: this model directory does not exist: correct the path"
    )
    with pytest.raises(InputError, match="give an existing model directory"):
        models.resolve_model(tmp_path / "absent")


def test_an_adapter_is_refused(directory):
    edit(directory / "adapter_config.json", peft_type="LORA")
    message = refusal(directory)
    assert "adapter_config.json: peft_type = 'LORA'" in message and "merge the adapter" in message
    with pytest.raises(InputError, match="adapter"):
        models.load_model(directory)


@pytest.mark.parametrize("where", ["tokenizer_config.json", "chat_template.jinja"])
def test_a_chat_template_is_refused_unless_a_reason_is_given(directory, where):
    if where.endswith("json"):
        edit(directory / where, chat_template="{{ messages }}")
    else:
        (directory / where).write_text("{{ messages }}")
    message = refusal(directory)
    assert f"{where}: chat_template = 'present'" in message and "accept_chat_template" in message
    assert models.inspect_base(directory, accept_chat_template="its base has one")["has_chat_template"]
    assert models.load_tokenizer(directory).chat_template is None


@pytest.mark.parametrize(
    "name",
    [
        "Qwen2.5-0.5B-Instruct",
        "llama-3-chat-hf",
        "gemma-2b-it",
        "tulu-2-7b-sft",
        "zephyr-7b-DPO",
        "x_Assistant",
    ],
)
def test_the_name_of_a_tuned_model_is_refused(original, tmp_path, name):
    message = refusal(shutil.copytree(original, tmp_path / name))
    assert f"path = {name!r}" in message and "instruction-tuned" in message
    assert f"repo = 'owner/{name}'" in refusal(original, repo=f"owner/{name}")


def test_a_tuned_name_inside_the_config_is_refused(directory):
    edit(directory / "config.json", _name_or_path="owner/Base-Instruct")
    assert "config.json: _name_or_path = 'owner/Base-Instruct'" in refusal(directory)


def test_the_end_token_of_a_chat_format_is_refused(directory):
    edit(directory / "tokenizer_config.json", eos_token={"content": "<|im_end|>"})
    assert "tokenizer_config.json: eos_token = '<|im_end|>'" in refusal(directory)


@pytest.mark.parametrize("name", ["Qwen2.5-32B", "Llama-3.1-8B", "gemma-2-9b", "digit-base", "chatter-1b"])
def test_the_name_of_a_base_is_accepted(original, tmp_path, name):
    assert models.inspect_base(shutil.copytree(original, tmp_path / name), repo=f"owner/{name}")


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
@pytest.mark.parametrize("listed", ["tokenizer.json", "tokenizer_config.json"])
def test_the_end_of_a_chat_turn_among_the_end_tokens_is_refused(directory, file, listed):
    """As in instruct models whose tokenizer still names the base's end token."""
    if listed == "tokenizer.json":
        edit(directory / listed, added_tokens=[{"id": 7, "content": "<end_of_turn>", "special": True}])
    else:
        edit(directory / listed, added_tokens_decoder={"7": {"content": "<end_of_turn>"}})
    edit(directory / file, eos_token_id=[0, 7])
    message = refusal(directory)
    assert f"{file}: eos_token_id = '<end_of_turn>'" in message and "give the base model" in message


def test_further_chat_templates_are_refused(directory):
    (directory / "additional_chat_templates").mkdir()
    assert "additional_chat_templates: chat_template = 'present'" in refusal(directory)


def test_a_model_card_is_no_part_of_the_model(directory):
    expected = ["config.json", "generation_config.json", "model.safetensors"]
    expected += ["tokenizer.json", "tokenizer_config.json"]
    for name in ("README.md", "training.json", "measured.json", "sentinels.json", "vocabulary.txt"):
        (directory / name).write_text("{}")
    assert [path.name for path in loaded_files(directory)] == expected
    assert [path.name for path in loaded_files("resources/demo_base")] == expected
    found = models.identify_base({"path": str(directory), "repo": None, "revision": None})
    assert sorted(found["files"]) == expected
    for name in ("adapter_config.json", "chat_template.jinja", "model.safetensors.index.json", "merges.txt"):
        (directory / name).write_text("{}")
        assert directory / name in loaded_files(directory)


def test_pickled_weights_are_refused(directory):
    weights = directory / "model.safetensors"
    torch.save({"weight": torch.zeros(2)}, directory / "pytorch_model.bin")
    weights.unlink()
    message = refusal(directory)
    assert "weights = 'pytorch_model.bin'" in message and "safetensors" in message
    with pytest.raises(InputError, match="can run code"):
        models.load_model(directory)
    (directory / "pytorch_model.bin").unlink()
    assert "weights = 'absent'" in refusal(directory)


def test_a_missing_shard_and_a_wrong_config_are_refused(directory):
    edit(directory / "model.safetensors.index.json", weight_map={"a": "model-00001-of-00002.safetensors"})
    assert "weight_map = 'model-00001-of-00002.safetensors'" in refusal(directory)
    (directory / "config.json").write_text("{")
    assert "not valid JSON" in refusal(directory)
    (directory / "config.json").unlink()
    assert "model_type = 'absent'" in refusal(directory)


def test_a_tokenizer_that_transformers_reads_in_another_way_is_refused(directory):
    from tokenizers import pre_tokenizers

    assert len(models.check_tokenizer(directory)) == 64
    tokenizer = tiny_models.train_tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.backend_tokenizer.save(str(directory / "tokenizer.json"))
    with pytest.raises(InputError, match="tokenizer.json: pre_tokenizer"):
        models.check_tokenizer(directory)


def test_a_tokenizer_without_an_end_is_refused(directory):
    edit(directory / "tokenizer_config.json", eos_token=None, tokenizer_class="TokenizersBackend")
    edit(directory / "config.json", model_type="llama", architectures=["LlamaForCausalLM"])
    with pytest.raises(InputError, match="eos_token = 'absent'"):
        models.load_tokenizer(directory)


@pytest.mark.parametrize("make", [tiny_models.make_qwen2, tiny_models.make_llama])
def test_models_of_other_architectures_load(make, tmp_path):
    path = make(tmp_path / "model")
    model, tokenizer = models.load_model(path, "bfloat16", "cpu"), models.load_tokenizer(path)
    assert model.dtype == torch.bfloat16 and not model.training
    assert models.load_model(path, "auto").dtype == torch.float32
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert tokenizer.decode(tokenizer(models.TOKENIZER_PROBE)["input_ids"]) == models.TOKENIZER_PROBE


def test_two_seeds_make_two_models(tmp_path):
    first, again, other = (
        sha256_weights(tiny_models.make_qwen2(tmp_path / name, seed=seed))
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert first == again != other


def run(directory, identity, **settings):
    content = {"base_model": {"path": str(directory), "repo": None, "revision": None, **settings}}
    base_model.main(["--settings", json.dumps(content), "--identity", str(identity)])


def test_the_command_writes_an_identity_that_others_read(original, tmp_path, monkeypatch):
    monkeypatch.chdir(original.parent)
    run("tiny-base", "model.json")
    identity = json.loads((original.parent / "model.json").read_text(encoding="utf-8"))
    assert identity["path"] == identity["label"] == "tiny-base"
    assert identity["revision"] is None and identity["has_chat_template"] is False
    assert identity["parameters"] == models.load_model(original).num_parameters()
    assert identity["files"]["model.safetensors"] == sha256_file(original / "model.safetensors")
    assert str(tmp_path) not in json.dumps(identity)
    reference = models.resolve_model("model.json")
    assert reference == models.ModelReference("tiny-base", None, "tiny-base", identity["files"])
    assert model_identity("model.json")["weights_sha256"] == sha256_weights(original)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="path = 'tiny-base'"):
        models.resolve_model(original.parent / "model.json")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_base_that_is_not_the_one_on_record_is_not_loaded(directory, monkeypatch, name):
    monkeypatch.chdir(directory.parent)
    run("tiny-base", "model.json")
    assert models.load_model(models.resolve_model("model.json"))
    path = directory / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match=rf"tiny-base/{name}: sha256 = '[0-9a-f]{{64}}': another file"):
        models.load_model("model.json")
    path.unlink()
    with pytest.raises(InputError):
        models.load_model("model.json")
    with pytest.raises(InputError, match=f"tiny-base/{name}: sha256 = 'absent'"):
        models.check_files(models.resolve_model("model.json"))


def test_an_identity_of_a_repository_keeps_its_revision(tmp_path):
    edit(tmp_path / "model.json", repo="owner/base", revision="a" * 40, label="base")
    assert models.resolve_model(tmp_path / "model.json") == models.ModelReference(
        "owner/base", "a" * 40, "base"
    )


def test_the_command_refuses_in_one_line_and_leaves_nothing(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "absent", tmp_path / "model.json")
    assert stopped.value.code == 1
    assert "base_model: error:" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
