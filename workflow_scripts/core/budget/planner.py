"""One configuration on any GPU: its work, its costs, and whether the model fits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from workflow_scripts.core.budget import benchmarks
from workflow_scripts.core.budget.catalogue import Catalogue, Gpu
from workflow_scripts.core.budget.lengths import Lengths
from workflow_scripts.core.budget.projection import GIGABYTE, Overheads, StageCost, project
from workflow_scripts.core.budget.settings import BudgetSettings
from workflow_scripts.core.budget.throughput import Throughput, scaled, throughputs_of
from workflow_scripts.core.budget.work import CORE, Work, plan_work, sizes_of
from workflow_scripts.core.memory import inference, training
from workflow_scripts.core.memory.shapes import ModelShape
from workflow_scripts.core.memory.weights import LINEAR_BYTES, weight_bytes

TRAINING_RUNS = ("sft", "dpo")


@dataclass(frozen=True)
class Planner:
    """Everything that a projection needs: the configuration, the model, the lengths, the catalogue.

    `measured` are units a second by stage, as they were on `measured_on`: a GPU, and the parameters of the
    model that ran there.
    """

    settings: dict
    budget: BudgetSettings
    shape: ModelShape
    lengths: Lengths
    catalogue: Catalogue
    measured: dict[str, Throughput]
    measured_on: tuple[Gpu, float] | None = None

    def works(self, settings: dict | None = None, level: int = CORE) -> list[Work]:
        """The stages of the configuration, or of another one like it, up to a level."""
        chosen = settings or self.settings
        budget = self.budget
        sizes = sizes_of(chosen, budget.accepted, budget.paired, budget.distinct, budget.analysis_seconds)
        return plan_work(chosen, sizes, self.lengths, level)

    def overheads(self, gpu: Gpu) -> Overheads:
        """What jobs cost on a GPU beside their work. Weights are read in 16 bits (32 where the run is)."""
        stored = "float32" if self.budget.generation_precision == "float32" else "bfloat16"
        return Overheads(
            self.budget.job_seconds,
            self.budget.weights_gb_per_second,
            weight_bytes(self.shape, stored),
            gpu.jobs_at_once,
        )

    def price(self, gpu: Gpu) -> float:
        """Dollars an hour: the configured price for the configured GPU, the catalogue's for any other."""
        own = gpu.id == self.budget.gpu and self.budget.price is not None
        return self.budget.price if own else gpu.dollars_per_hour

    def costs(self, gpu: Gpu, works: Sequence[Work]) -> list[StageCost]:
        """What the stages cost on a GPU."""
        rates = self.stated_rates(gpu)
        measured = self._carried_over(gpu, works) if self.measured_on else {}
        return project(works, rates, self.overheads(gpu), self.price(gpu), measured)

    def stated_rates(self, gpu: Gpu) -> dict[str, Throughput]:
        """Tokens a second by kind of work, as the catalogue states or implies them for this model."""
        return self._stated(gpu, self.shape.parameters)

    def _stated(self, gpu: Gpu, parameters: float) -> dict[str, Throughput]:
        return throughputs_of(self.catalogue, gpu, parameters, self.budget.generation_precision)

    def _carried_over(self, gpu: Gpu, works: Sequence[Work]) -> dict[str, Throughput]:
        """The measured rates on a GPU with this model, by the catalogue's ratio for a stage's mix of work."""
        there, here = self._stated(*self.measured_on), self.stated_rates(gpu)
        carried = {}
        for work in works:
            if work.stage in self.measured:
                ratio = working_seconds(work, there) / working_seconds(work, here)
                carried[work.stage] = scaled(self.measured[work.stage], ratio)
        return carried

    @property
    def longest_sequence(self) -> int:
        """Tokens of the longest prompt and its answer, at the upper bounds."""
        lengths = self.lengths
        prompts = (lengths.list_prompt, lengths.answer_prompt, lengths.completion_prompt, lengths.review)
        return int(max(prompt.high for prompt in prompts) + lengths.response.high + 1)

    def training_runs(self, precision: str) -> dict[str, training.Training]:
        """SFT and the primary DPO variant as the memory model sees them; a pair has two sequences."""
        primary = self.settings["statistics"]["primary"]["candidate"].removeprefix("dpo-")
        slices = {"sft": self.settings["sft"], "dpo": self.settings["dpo"]["variants"][primary]}
        return {
            name: training.Training(
                precision=precision,
                rank=entry["lora"]["rank"],
                target_modules=entry["lora"]["target_modules"],
                sequences=entry["batch_size"] * (2 if name == "dpo" else 1),
                tokens=entry["max_length"],
                checkpointing=entry.get("gradient_checkpointing", False),
            )
            for name, entry in slices.items()
        }

    def fits(self, gpu: Gpu) -> bool:
        """Whether a GPU holds generation and both trainings in the configured precisions."""
        memory = gpu.memory_gb * GIGABYTE
        runs = self.training_runs(self.budget.training_precision).values()
        return inference.is_feasible(
            self.shape, self.budget.generation_precision, self.longest_sequence, memory
        ) and all(training.is_feasible(self.shape, run, memory) for run in runs)


def working_seconds(work: Work, rates: dict[str, Throughput]) -> float:
    """Seconds of a stage's terms, each at its middle."""
    return sum(term.amount.middle / rates[term.kind].per_second.middle for term in work.terms.values())


def with_measurements(planner: Planner, paths: Sequence) -> Planner:
    """The planner with the rates that benchmark files hold; itself where there are none.

    `budget.benchmarks` says which GPU and how large a model they were measured on. InputError for a file that
    was cut short.
    """
    if not paths:
        return planner
    works, origin = planner.works(), planner.settings["budget"]["benchmarks"] or {}
    found = benchmarks.measurements(paths, works, planner.settings)
    gpu = planner.catalogue.gpu(origin.get("gpu") or planner.budget.gpu)
    parameters = origin.get("parameters") or planner.shape.parameters
    smaller = parameters / planner.shape.parameters
    overheads = planner.overheads(gpu)
    overheads = replace(overheads, weight_bytes=overheads.weight_bytes * smaller)
    measured = benchmarks.measured_throughputs(found, works, overheads)
    return replace(planner, measured=measured, measured_on=(gpu, parameters))


def memory_by_precision(planner: Planner) -> dict:
    """GB by term: generation in each precision, and each training in 16 bits, 8 bits and NF4 (QLoRA)."""

    def in_gigabytes(terms: dict[str, float]) -> dict[str, float]:
        rounded = {name: round(value / GIGABYTE, 3) for name, value in terms.items()}
        return rounded | {"total": round(sum(terms.values()) / GIGABYTE, 3)}

    shape, tokens = planner.shape, planner.longest_sequence
    own = planner.budget.training_precision
    return {
        "sequence_tokens": tokens,
        "generation": {
            precision: in_gigabytes(inference.inference_terms(shape, precision, tokens))
            for precision in LINEAR_BYTES
        },
        "training": {
            name: {
                precision: in_gigabytes(training.training_terms(shape, run))
                for precision in dict.fromkeys((own, "bfloat16", "int8", "nf4"))
                for run in [planner.training_runs(precision)[name]]
            }
            for name in TRAINING_RUNS
        },
    }


def feasibility(planner: Planner, gpu: Gpu) -> dict:
    """What a GPU holds: tokens of KV cache by precision of generation, and each training by precision."""
    memory, shape, tokens = gpu.memory_gb * GIGABYTE, planner.shape, planner.longest_sequence
    return {
        "generation": {
            precision: {
                "feasible": inference.is_feasible(shape, precision, tokens, memory),
                "kv_tokens": inference.kv_tokens(shape, precision, tokens, memory),
            }
            for precision in LINEAR_BYTES
        },
        "training": {
            name: {
                precision: training.is_feasible(shape, planner.training_runs(precision)[name], memory)
                for precision in ("bfloat16", "int8", "nf4")
            }
            for name in TRAINING_RUNS
        },
        "feasible": planner.fits(gpu),
    }
