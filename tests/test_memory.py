"""The memory model: known sizes, measured points, and that more is never less."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from workflow_scripts.core.budget.catalogue import load_catalogue
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.memory import inference, training
from workflow_scripts.core.memory.shapes import read_shape, shape_of
from workflow_scripts.core.memory.training import Training
from workflow_scripts.core.memory.weights import LINEAR_BYTES, weight_bytes

GB = 1e9
QWEN = load_catalogue("config/gpus.yaml").shape
DEMO = read_shape("resources/demo_base/config.json")
QV = ("q_proj", "v_proj")


def test_the_sizes_of_a_known_model():
    assert QWEN.parameters == 32_763_876_352
    assert QWEN.lora_parameters(64, "all-linear") == 536_870_912
    assert QWEN.lora_parameters(1, QV) == 1_048_576
    assert QWEN.kv_numbers_per_token == 131_072


def test_the_sizes_of_the_embedded_base():
    with safe_open("resources/demo_base/model.safetensors", "np") as weights:
        numbers = sum(weights.get_tensor(name).size for name in weights.keys())
    assert DEMO.parameters == numbers
    assert DEMO.lora_parameters(16, "all-linear") == 217_088  # trainable_parameters of the demo's training


@pytest.mark.parametrize(("precision", "gigabytes"), [("bfloat16", 65.5), ("nf4", 19.1)])
def test_weights_of_the_known_model(precision, gigabytes):
    assert weight_bytes(QWEN, precision) / GB == pytest.approx(gigabytes, rel=0.01)


@pytest.mark.parametrize("tokens", [512, 1024])
def test_a_qlora_run_that_was_measured(tokens):
    """Rank 16 on queries and values at batch 2 peaked at 23 GB; its sequence length is not known."""
    run = Training("nf4", 16, QV, sequences=2, tokens=tokens, checkpointing=True)
    assert sum(training.training_terms(QWEN, run).values()) / GB == pytest.approx(23, rel=0.15)


def test_the_room_that_bfloat16_leaves_on_80_gb():
    """Known from vLLM on such a card: 17 to 25 thousand tokens of KV cache remain."""
    assert 0.85 * 17_000 < inference.kv_tokens(QWEN, "bfloat16", 1024, 80 * GB) < 1.15 * 25_000


@pytest.mark.parametrize(("sequences", "tokens"), [(8, 64), (4, 160)])
def test_activations_are_what_autograd_keeps(sequences, tokens):
    """Measured: what one forward pass of the embedded base with LoRA keeps for its backward pass."""
    import torch
    from peft import get_peft_model

    from workflow_scripts.core import models, training_adapters

    lora = {"rank": 16, "alpha": 32, "rslora": False, "dropout": 0.0, "target_modules": "all-linear"}
    base = models.load_model(models.resolve_model("resources/demo_base"), "float32", "cpu")
    model = get_peft_model(base, training_adapters.lora_config(lora)).train()
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.arange(sequences * tokens).reshape(sequences, tokens) % DEMO.vocabulary
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(input_ids=ids, labels=ids).loss
    run = Training("float32", 16, "all-linear", sequences, tokens, checkpointing=False)
    logits = sequences * tokens * DEMO.vocabulary * 4  # one of the three copies lives until the backward pass
    predicted = training.training_terms(DEMO, run)["activations"] + logits
    assert loss.requires_grad and predicted == pytest.approx(sum(kept.values()), rel=0.15)


# Largest resident set of the demo's trainings, sequences a batch, longest example; and what a process holds
# that has trained one step on one example (make benchmark-memory). All in MiB.
DEMO_PEAKS = {"sft": (803, 32, 33), "sft-longer": (802, 32, 33), "dpo": (786, 32, 33)}
PROCESS = 698


@pytest.mark.parametrize("run", DEMO_PEAKS)
def test_peaks_of_the_demos_trainings(run):
    """Most of it is the process itself: this shows that nothing large was forgotten, not more."""
    peak, sequences, tokens = DEMO_PEAKS[run]
    settings = Training("float32", 16, "all-linear", sequences, tokens, checkpointing=False)
    terms = training.training_terms(DEMO, settings, PROCESS * 2**20)
    assert sum(terms.values()) / 2**20 == pytest.approx(peak, rel=0.15)


FITS = {
    "h100-80gb": {"bfloat16": True, "fp8": True, "int8": True, "nf4": True},
    "h200-141gb": {"bfloat16": True, "fp8": True, "int8": True, "nf4": True},
    "l40-48gb": {"bfloat16": False, "fp8": True, "int8": True, "nf4": True},
    "rtx-a6000-48gb": {"bfloat16": False, "fp8": True, "int8": True, "nf4": True},
}


@pytest.mark.parametrize("gpu", FITS)
def test_which_card_holds_the_known_model(gpu):
    memory = load_catalogue("config/gpus.yaml").gpus[gpu].memory_gb * GB
    found = {precision: inference.is_feasible(QWEN, precision, 512, memory) for precision in FITS[gpu]}
    assert found == FITS[gpu]
    run = Training("nf4", 64, "all-linear", sequences=4, tokens=512, checkpointing=True)
    assert training.is_feasible(QWEN, run, memory)


def test_a_quantised_base_trains_where_16_bits_do_not():
    by_precision = {
        precision: training.is_feasible(
            QWEN, Training(precision, 16, "all-linear", 4, 512, checkpointing=True), 48 * GB
        )
        for precision in ("bfloat16", "int8", "nf4")
    }
    assert by_precision == {"bfloat16": False, "int8": True, "nf4": True}


@given(
    sequences=st.integers(1, 64),
    tokens=st.integers(1, 4096),
    rank=st.integers(1, 128),
    precision=st.sampled_from(sorted(LINEAR_BYTES)),
    checkpointing=st.booleans(),
)
def test_more_needs_more_memory(sequences, tokens, rank, precision, checkpointing):
    def need(**changes):
        settings = {"sequences": sequences, "tokens": tokens, "rank": rank} | changes
        run = Training(precision, target_modules="all-linear", checkpointing=checkpointing, **settings)
        return sum(training.training_terms(QWEN, run).values())

    least = need()
    assert least < need(sequences=sequences + 1) and least < need(tokens=tokens + 1)
    assert least < need(rank=rank + 1)
    assert inference.kv_tokens(QWEN, precision, tokens, 80 * GB) <= inference.kv_tokens(
        QWEN, precision, tokens, 141 * GB
    )


def test_an_adapter_its_gradients_and_two_moments_are_float32():
    run = Training("bfloat16", 16, QV, sequences=1, tokens=10, checkpointing=True)
    terms = training.training_terms(QWEN, run)
    adapter = 16 * 1_048_576 * 4
    assert (terms["lora"], terms["gradients"], terms["optimizer"]) == (adapter, adapter, 2 * adapter)
    assert terms["logits"] == 10 * 152_064 * (2 + 4 + 4) and terms["unpacked_layer"] == 0
    # The inputs of 64 blocks, and one block: 4 x 5120 + 2 x 5120 + 2 x 1024 + 4 x 27648 numbers a token.
    assert terms["activations"] == 10 * (64 * 5120 + 143_360) * 2


def test_checkpointing_saves_activations_and_nothing_else():
    def terms(checkpointing):
        return training.training_terms(QWEN, Training("nf4", 16, QV, 2, 1024, checkpointing))

    with_it, without = terms(True), terms(False)
    assert {name for name in with_it if with_it[name] != without[name]} == {"activations"}
    assert with_it["activations"] < 0.15 * without["activations"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"hidden_size": 0}, "hidden_size = 0"),
        ({"num_hidden_layers": None}, "num_hidden_layers: give"),
        ({"vocab_size": "many"}, "vocab_size = 'many'"),
        ({"intermediate_size": True}, "intermediate_size = True"),
    ],
)
def test_a_wrong_size_is_refused(changes, named):
    config = json.loads(open("resources/demo_base/config.json").read()) | changes
    with pytest.raises(InputError, match="model.json") as refused:
        shape_of(config, "model.json")
    assert named in str(refused.value)


def test_a_config_that_is_missing_or_no_object_is_refused(tmp_path):
    with pytest.raises(InputError, match="or its sizes under budget.model"):
        read_shape(tmp_path / "config.json")
    for text in ("[]", "{"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(InputError, match="config.json: this is no"):
            read_shape(tmp_path / "config.json")


def test_an_unknown_layer_or_precision_is_refused():
    with pytest.raises(InputError, match="target_modules = 'w_proj': a block has q_proj"):
        QWEN.lora_parameters(8, ["w_proj"])
    with pytest.raises(InputError, match="precision = 'int3': give one of"):
        weight_bytes(QWEN, "int3")
