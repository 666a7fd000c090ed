"""The GPU catalogue: prices, memory, and throughputs that were published or follow from data sheets."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import yaml

from workflow_scripts.core.budget.ranges import Range, read_range
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.memory.shapes import ModelShape, shape_of
from workflow_scripts.core.memory.weights import LINEAR_BYTES

NUMBERS = ("dollars_per_hour", "memory_gb", "bandwidth_gb_per_s", "bf16_tflops")
GENERATION = ("prefill", "decode")


@dataclass(frozen=True)
class Rates:
    """Tokens a second of one model: `generation` by precision and by kind (prefill, decode), and `training`.

    `parameters` is the size of the model that they were stated for.
    """

    generation: dict[str, dict[str, Range]]
    training: Range
    parameters: float


@dataclass(frozen=True)
class Gpu:
    """One entry. `rates` is None where they are to be scaled from the reference GPU's. A `virtual` one stands
    for no card that can be had: it is compared only where the configuration names it. `jobs_at_once`: how
    many jobs with a model run on it side by side."""

    id: str
    name: str
    dollars_per_hour: float
    memory_gb: float
    bandwidth_gb_per_s: float
    bf16_tflops: float
    rates: Rates | None
    virtual: bool = False
    jobs_at_once: int = 1


@dataclass(frozen=True)
class Catalogue:
    """All GPUs by id, the one that others are scaled from, and the model that its rates were stated for."""

    file: str
    model: str
    shape: ModelShape
    reference: str
    gpus: dict[str, Gpu]

    def gpu(self, name: str) -> Gpu:
        """The entry of that id. InputError when there is none."""
        if name not in self.gpus:
            remedy = f"{self.file} has {', '.join(self.gpus)}"
            raise InputError(field="budget.gpu", value=name, remedy=remedy)
        return self.gpus[name]

    def compared(self, configured: str) -> list[Gpu]:
        """The GPUs that a plan compares: all real ones, and the configured one."""
        return [gpu for gpu in self.gpus.values() if not gpu.virtual or gpu.id == configured]


def _number(entry: dict, name: str, file, field: str) -> float:
    value = entry.get(name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not isfinite(value) or value <= 0:
        remedy = "give a number above 0"
        raise InputError(file=file, field=f"{field}.{name}", value=value, remedy=remedy)
    return float(value)


def _mapping(value, file, field: str, remedy: str) -> dict:
    if not isinstance(value, dict) or not value:
        raise InputError(file=file, field=field, value=value, remedy=remedy)
    return value


def _rates(entry: dict, parameters: float, file, field: str) -> Rates:
    remedy = "give generation (by precision: prefill and decode) and training, in tokens a second"
    stated = _mapping(entry, file, field, remedy)
    generation = _mapping(stated.get("generation"), file, f"{field}.generation", remedy)
    if "bfloat16" not in generation and "float32" not in generation:
        raise InputError(
            file=file, field=f"{field}.generation", value=list(generation), remedy="give bfloat16"
        )
    by_precision = {}
    for precision, kinds in generation.items():
        place = f"{field}.generation.{precision}"
        if precision not in LINEAR_BYTES:
            raise InputError(file=file, field=place, remedy=f"the precisions are {', '.join(LINEAR_BYTES)}")
        kinds = _mapping(kinds, file, place, remedy)
        by_precision[precision] = {
            kind: read_range(kinds.get(kind), file, f"{place}.{kind}") for kind in GENERATION
        }
    training = read_range(stated.get("training"), file, f"{field}.training")
    return Rates(by_precision, training, parameters)


def _gpu(name: str, entry, parameters: float, file) -> Gpu:
    field = f"gpus.{name}"
    entry = _mapping(entry, file, field, f"give name, {', '.join(NUMBERS)} and tokens_per_second")
    numbers = {key: _number(entry, key, file, field) for key in NUMBERS}
    if not isinstance(entry.get("name"), str) or not entry["name"]:
        raise InputError(file=file, field=f"{field}.name", value=entry.get("name"), remedy="give a name")
    rates = None
    if entry.get("tokens_per_second") is not None:
        if "parameters" in entry["tokens_per_second"]:
            parameters = _number(entry["tokens_per_second"], "parameters", file, f"{field}.tokens_per_second")
        rates = _rates(entry["tokens_per_second"], parameters, file, f"{field}.tokens_per_second")
    at_once = entry.get("jobs_at_once", 1)
    if isinstance(at_once, bool) or not isinstance(at_once, int) or at_once < 1:
        raise InputError(
            file=file, field=f"{field}.jobs_at_once", value=at_once, remedy="give a whole number of 1 or more"
        )
    virtual = bool(entry.get("virtual"))
    return Gpu(name, entry["name"], rates=rates, virtual=virtual, jobs_at_once=at_once, **numbers)


def load_catalogue(path) -> Catalogue:
    """The catalogue in a YAML file. InputError, naming file, field and value, for whatever is wrong in it."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(file=path, remedy="this GPU catalogue does not exist: correct the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(file=path, remedy=f"this is not valid YAML: {error}") from None
    content = _mapping(content, path, "catalogue", "give reference_model, reference_gpu and gpus")
    model = _mapping(
        content.get("reference_model"), path, "reference_model", "give the sizes of its config.json"
    )
    shape = shape_of(model, f"{path}: reference_model")
    gpus = _mapping(content.get("gpus"), path, "gpus", "list one GPU or more")
    found = {name: _gpu(name, entry, shape.parameters, path) for name, entry in gpus.items()}
    reference = content.get("reference_gpu")
    if reference not in found or found[reference].rates is None:
        remedy = "name an entry of gpus that states its tokens_per_second"
        raise InputError(file=path, field="reference_gpu", value=reference, remedy=remedy)
    return Catalogue(str(path), str(model.get("name", "reference model")), shape, reference, found)
