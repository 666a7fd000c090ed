"""What was measured on this machine, held against what was stated: rates, starts, lengths, shares.

A factor is the seconds that work took over the seconds that the catalogue's rates give for the same tokens.
It is taken for each kind of work by itself (texts that are sampled, answers that are greedy, judgements,
training, starts), as a machine may be near the catalogue in one and far off in another. What was not measured
stays as it is stated, and the projection says which is which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import fmean

from workflow_scripts.core.budget.planner import Planner
from workflow_scripts.core.budget.projection import Overheads, StageCost, project_stage
from workflow_scripts.core.budget.ranges import Range, exactly
from workflow_scripts.core.budget.throughput import Throughput
from workflow_scripts.core.budget.work import Work
from workflow_scripts.core.statistics.intervals import wilson
from workflow_scripts.core.usage_files import Attempt

MARGIN = 1.15  # bounds of what was measured: this much on either side
SAMPLING = ("pilot", "generate_shard", "sample_candidates")
ANSWERING = ("sentinels", "respond", "respond_again")
JUDGING = ("critic_calibration", "pilot", "generate_shard", "sample_candidates")
SFT, DPO = ("train_sft", "train_sft_longer"), ("train_dpo",)
WORKING = ("generating_seconds", "judging_seconds", "training_seconds")
SAMPLED_STAGES = ("sft_data", "pairs")


@dataclass(frozen=True)
class Factor:
    """`value`: measured over stated seconds; `jobs`: how many it rests on; `source` measured or smoke."""

    value: float
    jobs: int
    source: str = "measured"

    def of(self, rate: Throughput) -> Throughput:
        """A rate corrected by it."""
        middle = rate.per_second.middle / self.value
        method = f"{self.source}: {self.jobs} jobs, {1 / self.value:.3g} times the stated rate"
        return Throughput(Range(middle / MARGIN, middle * MARGIN), "measured", method)


def finished(attempts: Sequence[Attempt], rules: Sequence[str]) -> list[Attempt]:
    """The attempts of some rules that ended well and did work, not only moved what another had made."""
    return [
        attempt
        for attempt in attempts
        if attempt.rule in rules
        and attempt.status == "completed"
        and any(attempt.counts.get(name) for name in WORKING)
    ]


def _factor(measured: float, stated: float, jobs: int) -> Factor | None:
    return Factor(measured / stated, jobs) if measured > 0 and stated > 0 else None


def _counted(attempts: Sequence[Attempt], name: str) -> float:
    return sum(attempt.counts.get(name, 0.0) for attempt in attempts)


def writing(
    attempts: Sequence[Attempt], rules: Sequence[str], rates: Mapping, prefix: str = ""
) -> Factor | None:
    """Texts of some rules: prompts and generated tokens together."""
    found = [
        attempt for attempt in finished(attempts, rules) if _counted([attempt], f"{prefix}generated_tokens")
    ]
    stated = (
        _counted(found, f"{prefix}prompt_tokens") / rates["prefill"].per_second.middle
        + _counted(found, f"{prefix}generated_tokens") / rates["decode"].per_second.middle
    )
    return _factor(_counted(found, "dev_seconds" if prefix else "generating_seconds"), stated, len(found))


def judging(attempts: Sequence[Attempt], judgement_tokens: float, rates: Mapping) -> Factor | None:
    """Judgements, each with the tokens that a plan counts for it."""
    found = [attempt for attempt in finished(attempts, JUDGING) if _counted([attempt], "judgements")]
    stated = _counted(found, "judgements") * judgement_tokens / rates["prefill"].per_second.middle
    return _factor(_counted(found, "judging_seconds"), stated, len(found))


def training(
    attempts: Sequence[Attempt], rules: Sequence[str], reference: float, rates: Mapping
) -> Factor | None:
    """Trainings without their dev measurements. `reference`: reference tokens for each training token."""
    found = finished(attempts, rules)
    each = 1 / rates["training"].per_second.middle + reference / rates["prefill"].per_second.middle
    seconds = _counted(found, "training_seconds") - _counted(found, "dev_seconds")
    return _factor(seconds, _counted(found, "training_tokens") * each, len(found))


def starts(attempts: Sequence[Attempt], rules: Sequence[str], overheads: Overheads) -> Factor | None:
    """Everything in a job that is no work of its own: imports, loading, writing.

    The stated start counts as one job more (credibility n / (n + 1) for n jobs; Buehlmann 1967, ASTIN
    Bulletin 4:199): the first job of a kind compiles what it imports and finds nothing in memory, and the
    next ones are quicker.
    """
    found = finished(attempts, rules)
    if not found:
        return None
    loads = sum(2 if attempt.rule == "sample_candidates" else 1 for attempt in found)
    stated = len(found) * overheads.job_seconds.middle + loads * overheads.load_seconds.middle
    spare = sum(attempt.wall_seconds for attempt in found) - sum(_counted(found, name) for name in WORKING)
    one_more = stated / len(found)
    return _factor(spare + one_more, stated + one_more, len(found))


def factors(
    attempts: Sequence[Attempt], planner: Planner, works: Sequence[Work], rates: Mapping, smoke: dict | None
) -> dict[str, Factor | None]:
    """All factors by name. `smoke`: the rates of a smoke run, for trainings that were not yet measured."""
    dpo = next((work for work in works if work.stage == "dpo"), None)
    reference = 0.0
    if dpo:
        reference = dpo.terms["reference_tokens"].amount.middle / dpo.terms["training_tokens"].amount.middle
    gpu = planner.catalogue.gpu(planner.budget.gpu)
    overheads, judgement = planner.overheads(gpu), planner.lengths.judgement.middle
    found = {
        "sampling": writing(attempts, SAMPLING, rates),
        "answering": writing(attempts, ANSWERING, rates),
        "dev": writing(attempts, (*SFT, *DPO), rates, "dev_"),
        "judging": judging(attempts, judgement, rates),
        "sft": training(attempts, SFT, 0.0, rates),
        "dpo": training(attempts, DPO, reference, rates),
        "generation_starts": starts(attempts, (*SAMPLING, *ANSWERING), overheads),
        "training_starts": starts(attempts, (*SFT, *DPO), overheads),
    }
    if found["sft"] is None and smoke:
        stated = rates["training"].per_second.middle
        found["sft"] = Factor(stated / smoke["training_tokens_per_second"], 1, "smoke")
    found["dpo"] = found["dpo"] or found["sft"]
    found["answering"] = found["answering"] or found["sampling"]
    found["sampling"] = found["sampling"] or found["answering"]
    found["dev"] = found["dev"] or found["answering"]
    found["training_starts"] = found["training_starts"] or found["generation_starts"]
    return found


def stage_rates(work: Work, found: Mapping[str, Factor | None], rates: Mapping) -> dict[str, Throughput]:
    """The rates of one stage, by term where terms of a kind differ."""

    def corrected(kind: str, name: str) -> Throughput:
        return found[name].of(rates[kind]) if found[name] else rates[kind]

    texts = "sampling" if work.stage in SAMPLED_STAGES else "answering"
    train = "dpo" if "reference_tokens" in work.terms else "sft"
    return {
        "prefill": corrected("prefill", texts),
        "decode": corrected("decode", texts),
        "training": corrected("training", train),
        "judged_tokens": corrected("prefill", "judging"),
        "reference_tokens": corrected("prefill", train),
        "dev_prompt_tokens": corrected("prefill", "dev"),
        "dev_generated_tokens": corrected("decode", "dev"),
    }


def stage_overheads(work: Work, found: Mapping[str, Factor | None], overheads: Overheads) -> Overheads:
    """Starts and loads of one stage: of trainings, of jobs that generate, or the mean where it has both."""
    kinds = {"training_starts": "training_tokens", "generation_starts": "generated_tokens"}
    measured = [found[name] for name, term in kinds.items() if term in work.terms and found[name]]
    if not measured:
        return overheads
    factor = fmean(factor.value for factor in measured)
    seconds = overheads.job_seconds.middle * factor
    speed = overheads.weights_gb_per_second.middle / factor
    return replace(
        overheads,
        job_seconds=Range(seconds / MARGIN, seconds * MARGIN),
        weights_gb_per_second=Range(speed / MARGIN, speed * MARGIN),
    )


def calibrated(
    planner: Planner, works: Sequence[Work], found: Mapping[str, Factor | None], rates: Mapping
) -> list[StageCost]:
    """What the stages cost with what was measured."""
    gpu = planner.catalogue.gpu(planner.budget.gpu)
    price, overheads = planner.price(gpu), planner.overheads(gpu)
    return [
        project_stage(
            work,
            stage_rates(work, found, rates),
            stage_overheads(work, found, overheads),
            price,
        )
        for work in works
    ]


def measured_share(count: int, of: int, confidence: float) -> Range:
    """A share with its Wilson interval as bounds."""
    low, high = wilson(count, of, 1 - confidence)
    return Range(max(low, 1 / (of + 1)), high)


def measured_mean(values: Sequence[float]) -> Range:
    """A mean with two standard errors on either side, never less than one token."""
    mean = sum(values) / len(values)
    error = sqrt(sum((value - mean) ** 2 for value in values) / len(values) ** 2)
    return Range(max(1.0, mean - 2 * error), max(1.0, mean + 2 * error))


def measured_texts(records: Sequence[dict], pilot: Attempt | None, planner: Planner) -> dict:
    """Estimates as the pilot's records show them: tokens of instructions and responses, characters a token.

    Without the pilot's own count of tokens (its usage file is gone) only the responses are measured.
    """
    estimates = dict(planner.budget.estimates)
    answers = [record["response_tokens"] for record in records if record["response_tokens"]]
    if answers:
        estimates["response_tokens"] = measured_mean(answers)
    if pilot and pilot.counts.get("generated_tokens"):
        instruction = (pilot.counts["generated_tokens"] - sum(answers)) / len(records)
        estimates["instruction_tokens"] = exactly(instruction)
        # Both prompts but for the instruction that the second holds: fixed texts and exemplars.
        lengths = planner.lengths
        planned = lengths.list_prompt.low + lengths.answer_prompt.low - lengths.instruction.low
        sent = pilot.counts["prompt_tokens"] / len(records) - instruction
        estimates["characters_per_token"] *= planned / sent
    return estimates


def measured_acceptance(records: Sequence[dict], confidence: float) -> Range:
    """The share of records that are accepted and of which none before has the instruction."""
    accepted = {record["instruction"] for record in records if record["accepted"]}
    return measured_share(len(accepted), len(records), confidence)
