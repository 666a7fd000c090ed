"""The shape of a decoder model, and how many numbers its weights, adapters and KV cache hold.

Named as in a Hugging Face config.json, of which nothing else is read. Covers what the Llama and Qwen2
families share: grouped-query attention, a gated feed-forward layer, RMS norms.
"""

from dataclasses import dataclass

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json

FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "vocab_size",
)
ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a decoder. `tied`: input and output embeddings are one matrix."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    tied: bool
    attention_bias: bool

    @property
    def query_width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_size

    @property
    def kv_width(self) -> int:
        """Width of all key heads together, and of all value heads together."""
        return self.kv_heads * self.head_size

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """(inputs, outputs) of each linear layer of a block, by its name."""
        return {
            "q_proj": (self.hidden, self.query_width),
            "k_proj": (self.hidden, self.kv_width),
            "v_proj": (self.hidden, self.kv_width),
            "o_proj": (self.query_width, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def linear_parameters(self) -> int:
        """Weights of all linear layers in the blocks: what quantisation shrinks."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.projections.values())

    @property
    def embedding_parameters(self) -> int:
        """Input embeddings, and the output layer where it is a matrix of its own."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights: linear layers, biases of queries, keys and values, norms, embeddings."""
        biases = self.layers * (self.query_width + 2 * self.kv_width) if self.attention_bias else 0
        norms = (2 * self.layers + 1) * self.hidden
        return self.linear_parameters + self.embedding_parameters + biases + norms

    def lora_parameters(self, rank: int, target_modules) -> int:
        """Weights of a LoRA adapter, rank x (inputs + outputs) for each adapted layer (Hu et al. 2021).

        `target_modules` is "all-linear" or a list of layer names; InputError for a name that a block lacks.
        """
        names = list(self.projections) if target_modules == ALL_LINEAR else target_modules
        unknown = [name for name in names if name not in self.projections]
        if unknown:
            remedy = f"a block has {', '.join(self.projections)}"
            raise InputError(field="lora.target_modules", value=unknown[0], remedy=remedy)
        return self.layers * rank * sum(sum(self.projections[name]) for name in names)

    @property
    def kv_numbers_per_token(self) -> int:
        """Keys and values of one token over all layers."""
        return 2 * self.layers * self.kv_width


def shape_of(config: dict, source) -> ModelShape:
    """The shape that a config.json's content states. InputError, naming `source`, for a wrong size."""
    for field in FIELDS:
        value = config.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            remedy = "give the model's size, a whole number above 0, as in its config.json"
            raise InputError(file=source, field=field, value=value, remedy=remedy)
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    return ModelShape(
        layers=config["num_hidden_layers"],
        hidden=hidden,
        heads=heads,
        kv_heads=config["num_key_value_heads"],
        head_size=config.get("head_dim") or hidden // heads,
        intermediate=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        tied=bool(config.get("tie_word_embeddings", False)),
        attention_bias=config.get("attention_bias", config.get("model_type") == "qwen2"),
    )


def read_shape(path) -> ModelShape:
    """The shape that a config.json file states. InputError when it is missing, no JSON, or lacks a size."""
    try:
        content = read_json(path)
    except FileNotFoundError:
        remedy = "give the model's config.json, or its sizes under budget.model"
        raise InputError(file=path, remedy=remedy) from None
    if not isinstance(content, dict):
        raise InputError(file=path, remedy="this is no model's config.json: it must be an object")
    return shape_of(content, path)
