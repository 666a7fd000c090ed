"""The jobs of each stage that take a GPU, by the names under which they record what they use."""

from collections.abc import Sequence
from dataclasses import dataclass

from workflow_scripts.core.budget.projection import StageCost
from workflow_scripts.core.budget.ranges import NOTHING, Range
from workflow_scripts.core.budget.work import Work

ANSWERING = ("prompt_tokens", "generated_tokens")


@dataclass(frozen=True)
class PlannedJob:
    """A job's name, and its share of its stage: of each term by name, or of all terms that are not named.

    `starts` and `loads`: how often a job is started for it, and weights are read.
    """

    name: str
    shares: dict[str, float]
    other: float = 0.0
    starts: int = 1
    loads: int = 1

    def hours(self, work: Work, cost: StageCost) -> Range:
        """Its part of the stage's hours."""
        found = NOTHING
        for term, hours in cost.terms.items():
            if term == "job_starts":
                found += hours * (self.starts / work.jobs)
            elif term == "weight_loads":
                found += hours * (self.loads / work.loads)
            else:
                found += hours * self.shares.get(term, self.other)
        return found


def _shared(sizes: dict[str, float], **more) -> list[PlannedJob]:
    """Jobs that share everything in proportion to their sizes."""
    whole = sum(sizes.values())
    return [PlannedJob(name, {}, size / whole, **more) for name, size in sizes.items()]


def _shards(rule: str, stage: dict, share: float, loads: int) -> list[PlannedJob]:
    """The shards of a stage; the first of each block of `shards_per_load` loads the model for all of it."""
    block, count = stage.get("shards_per_load", 1), stage["shards"]
    return [
        PlannedJob(
            f"{rule} {shard:03d}",
            {},
            share / count,
            starts=int(leads := shard % block == 0),
            loads=loads * leads,
        )
        for shard in range(count)
    ]


def _baseline(settings: dict) -> list[PlannedJob]:
    sizes = settings["test_set"]["sizes"]
    judged = 2 * sizes["calibration"]
    answered = {
        f"respond {place}/{arm}": size
        for place, size in (("evaluation", sizes["test"]), ("dev_evaluation", sizes["dev"]))
        for arm in ("base", "base_raw")
    }
    whole = sum(answered.values())
    answering = [
        PlannedJob(
            name,
            {"judged_tokens": 0.0, "measured": size / (whole + judged)},
            size / whole,
        )
        for name, size in answered.items()
    ]
    critic = PlannedJob("critic_calibration", {"judged_tokens": 1.0, "measured": judged / (whole + judged)})
    return [*answering, critic, PlannedJob("sentinels", {})]


def _training(name: str, arm: str) -> list[PlannedJob]:
    """A training and the answers of its arm to the test items."""
    train = PlannedJob(name, dict.fromkeys(ANSWERING, 0.0), 1.0)
    return [train, PlannedJob(f"respond evaluation/{arm}", dict.fromkeys(ANSWERING, 1.0))]


def _evaluation(settings: dict, arms: Sequence[str]) -> list[PlannedJob]:
    sizes, repeats = settings["test_set"]["sizes"], settings["evaluation"].get("repeats")
    answered = {f"respond evaluation/{arm}": sizes["test"] for arm in arms}
    answered |= {f"respond dev_evaluation/{arm}": sizes["dev"] for arm in arms}
    if repeats:
        primary = settings["statistics"]["primary"]
        again = (primary["baseline"], primary["candidate"])
        answered |= {
            f"respond_again {arm}/{how}": repeats["items"] for arm in again for how in ("same", "other_batch")
        }
    return _shared(answered)


def planned_jobs(work: Work, settings: dict) -> list[PlannedJob]:
    """The GPU jobs of a stage; none for analysis."""
    primary = settings["statistics"]["primary"]["candidate"].removeprefix("dpo-")
    generation, stage = settings["generation"], work.stage
    if stage == "baseline_evaluation":
        return _baseline(settings)
    if stage == "sft_data":
        records = generation["pilot_size"] + generation["shards"] * generation["shard_size"]
        pilot = generation["pilot_size"] / records
        return [PlannedJob("pilot", {}, pilot), *_shards("generate_shard", generation, 1 - pilot, 1)]
    if stage == "sft":
        return [PlannedJob("train_sft", {}, 1.0)]
    if stage == "pairs":
        return _shards("sample_candidates", settings["preferences"], 1.0, 2)
    if stage == "dpo":
        return [PlannedJob(f"train_dpo {primary}", {}, 1.0)]
    if stage == "control_sft_longer":
        return _training("train_sft_longer", "sft-longer")
    if stage == "evaluation":
        return _evaluation(settings, ("sft", f"dpo-{primary}"))
    if work.optional:
        return _training(f"train_dpo {stage.removeprefix('dpo-')}", stage)
    return []
