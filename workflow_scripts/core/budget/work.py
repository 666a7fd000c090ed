"""The work of each stage, from the configuration alone: tokens by kind, jobs, loads of weights.

A stage is what a plan has a line for. `units` are what its progress is counted in (records, candidates,
training tokens, answers), so that a measured rate can take the place of the terms.
"""

from dataclasses import dataclass, replace
from math import ceil

from workflow_scripts.core import variants as dpo_variants
from workflow_scripts.core.budget.lengths import Lengths
from workflow_scripts.core.budget.ranges import NOTHING, Range, exactly

# Kinds of optional work, as `budget.optional` names them.
OPTIONAL_KINDS = (dpo_variants.PAIR_SETS, dpo_variants.HYPERPARAMETERS, dpo_variants.SEEDS)
MERGE_LOADS = 2  # the base is read, the merged model is written


@dataclass(frozen=True)
class Term:
    """An amount of work of one kind: prompt tokens (prefill), generated tokens (decode), training tokens."""

    amount: Range
    kind: str


@dataclass(frozen=True)
class Work:
    """One stage's work. `loads` counts how often weights are read or written, `fixed_seconds` what takes time
    whatever the GPU; `optional` is the kind of optional work it is, or None; `measured_as` is another stage
    whose measured rate serves for this one. The jobs of a stage in `shards` load the model once for each of
    `blocks`, or more often where several run at once."""

    stage: str
    unit: str
    units: Range
    terms: dict[str, Term]
    jobs: int
    loads: int
    optional: str | None = None
    fixed_seconds: Range = NOTHING
    measured_as: str | None = None
    blocks: int = 0
    shards: int = 0


@dataclass(frozen=True)
class Sizes:
    """How many of everything, from the configuration and the expected shares."""

    records: int
    examples: Range
    candidates_per_example: int
    distinct_candidates: Range
    pairs: Range
    test: int
    dev: int
    analysis_seconds: Range


def sizes_of(
    settings: dict, accepted: Range, paired: Range, distinct: Range, analysis_seconds: Range
) -> Sizes:
    """`accepted`: the share of records that become examples; `paired`: of examples that give a pair;
    `distinct`: of an example's candidates that no other one equals, which are those that are judged."""
    records = settings["generation"]["shards"] * settings["generation"]["shard_size"]
    examples = accepted * records
    return Sizes(
        records=records,
        examples=examples,
        candidates_per_example=settings["preferences"]["candidates"],
        distinct_candidates=examples * settings["preferences"]["candidates"] * distinct,
        pairs=examples * paired,
        test=settings["test_set"]["sizes"]["test"],
        dev=settings["test_set"]["sizes"]["dev"],
        analysis_seconds=analysis_seconds,
    )


def blocks_of(stage: dict) -> int:
    """The blocks of `shards_per_load` shards of a stage: one job of each loads a model."""
    return ceil(stage["shards"] / stage.get("shards_per_load", 1))


def _answers(prompt: Range, lengths: Lengths, count: float) -> dict[str, Term]:
    """`count` answers to prompts that share nothing."""
    return {
        "prompt_tokens": Term(prompt * count, "prefill"),
        "generated_tokens": Term(lengths.response * count, "decode"),
    }


def _dev_answers(lengths: Lengths, count: float) -> dict[str, Term]:
    """Answers on dev in the middle of a training."""
    return {f"dev_{name}": term for name, term in _answers(lengths.completion_prompt, lengths, count).items()}


def baseline_work(settings: dict, sizes: Sizes, lengths: Lengths) -> Work:
    """The base's two arms on dev and test, and the critic's calibration on two answers an item.

    Jobs beside these five: the base's identity, the guard, and the sentinels, which are few. The guard alone
    reads no weights.
    """
    answers = sizes.dev + sizes.test
    judged = 2 * settings["test_set"]["sizes"]["calibration"]
    terms = _answers(lengths.completion_prompt + lengths.raw_prompt, lengths, answers)
    terms["generated_tokens"] = Term(lengths.response * (2 * answers), "decode")
    terms["judged_tokens"] = Term(lengths.judgement * judged, "prefill")
    return Work("baseline_evaluation", "answers", exactly(2 * answers + judged), terms, jobs=8, loads=7)


def sft_data_work(settings: dict, sizes: Sizes, lengths: Lengths) -> Work:
    """Pilot and shards: an instruction and an answer for each record, judged by the base."""
    records = settings["generation"]["pilot_size"] + sizes.records
    blocks, shards = blocks_of(settings["generation"]), settings["generation"]["shards"]
    jobs = 1 + blocks
    terms = {
        "prompt_tokens": Term((lengths.list_prompt + lengths.answer_prompt) * records, "prefill"),
        "generated_tokens": Term((lengths.instruction + lengths.response) * records, "decode"),
        "judged_tokens": Term(lengths.judgement * records, "prefill"),
    }
    return Work(
        "sft_data", "records", exactly(records), terms, jobs, loads=jobs, blocks=blocks, shards=shards
    )


def sft_work(settings: dict, sizes: Sizes, lengths: Lengths) -> Work:
    """Training on prompt and completion, dev after each epoch, the merge. No padding: batches by length."""
    epochs = settings["sft"]["epochs"]
    tokens = lengths.example * sizes.examples.at_most(settings["sft"]["max_examples"]) * epochs
    terms = {"training_tokens": Term(tokens, "training"), **_dev_answers(lengths, epochs * sizes.dev)}
    return Work("sft", "training tokens", tokens, terms, jobs=2, loads=1 + MERGE_LOADS)


def control_work(settings: dict, sizes: Sizes, lengths: Lengths) -> Work:
    """`sft-longer`: as many steps of SFT as the named DPO variant takes, dev once, merge, test items."""
    variant = settings["dpo"]["variants"][settings["sft_longer"]["steps_of"]]
    steps = sizes.pairs * (variant["epochs"] / (variant["batch_size"] * variant["gradient_accumulation"]))
    step_examples = settings["sft"]["batch_size"] * settings["sft"]["gradient_accumulation"]
    tokens = lengths.example * steps * step_examples
    answers = _answers(lengths.completion_prompt, lengths, sizes.test)
    terms = {"training_tokens": Term(tokens, "training"), **answers, **_dev_answers(lengths, sizes.dev)}
    return Work("control_sft_longer", "training tokens", tokens, terms, 3, 2 + MERGE_LOADS, measured_as="sft")


def pairs_work(settings: dict, sizes: Sizes, lengths: Lengths) -> Work:
    """One pool of candidates for all pair sets: a prompt's candidates share its cache; equal ones are judged
    once."""
    blocks, shards = blocks_of(settings["preferences"]), settings["preferences"]["shards"]
    candidates = sizes.examples * sizes.candidates_per_example
    terms = {
        "prompt_tokens": Term(lengths.completion_prompt * sizes.examples, "prefill"),
        "generated_tokens": Term(lengths.response * candidates, "decode"),
        "judged_tokens": Term(lengths.judgement * sizes.distinct_candidates, "prefill"),
    }
    return Work(
        "pairs", "candidates", candidates, terms, blocks, loads=2 * blocks, blocks=blocks, shards=shards
    )


def dpo_work(name: str, variant: dict, sizes: Sizes, lengths: Lengths) -> Work:
    """One variant: both sides of each pair, the reference on them, dev after each epoch, the merge."""
    epochs = variant["epochs"]
    one_pass = lengths.example * sizes.pairs * 2
    reference_passes = 1 if variant["precompute_reference"] else epochs
    terms = {
        "training_tokens": Term(one_pass * epochs, "training"),
        "reference_tokens": Term(one_pass * reference_passes, "prefill"),
        **_dev_answers(lengths, epochs * sizes.dev),
    }
    return Work(name, "training tokens", one_pass * epochs, terms, jobs=2, loads=1 + MERGE_LOADS)


def evaluation_work(sizes: Sizes, lengths: Lengths, arms: int, dev_arms: int, settings: dict) -> Work:
    """`arms` trained arms on test, `dev_arms` on dev, one process each; and answers that are repeated."""
    repeats = settings["evaluation"].get("repeats")
    again = 4 if repeats else 0  # two arms, with the same and with another batch size
    answers = arms * sizes.test + dev_arms * sizes.dev + again * (repeats["items"] if repeats else 0)
    jobs = arms + dev_arms + again
    terms = _answers(lengths.completion_prompt, lengths, answers)
    return Work("evaluation", "answers", exactly(answers), terms, jobs=jobs, loads=jobs)


def analysis_work(seconds: Range) -> Work:
    """Everything without a model: items, checks, deduplication, statistics, gates, pages."""
    return Work("analysis", "seconds", seconds, {}, jobs=0, loads=0, fixed_seconds=seconds)


def optional_kind(main: dict, variant: dict) -> str:
    """What a DPO variant varies against the main one; one that varies nothing counts as another seed."""
    kind = dpo_variants.kind(main, variant)
    return kind if kind in OPTIONAL_KINDS else dpo_variants.SEEDS


def ablation_works(settings: dict, sizes: Sizes, lengths: Lengths) -> list[Work]:
    """Each DPO variant but the primary one, with its answers on the test items, in the order it is kept.

    `budget.optional` is the order in which work is dropped: what it names last is kept longest.
    """
    variants = settings["dpo"]["variants"]
    primary = settings["statistics"]["primary"]["candidate"].removeprefix("dpo-")
    works = []
    for name in sorted(variants.keys() - {primary}):
        work = dpo_work(f"dpo-{name}", variants[name], sizes, lengths)
        terms = work.terms | _answers(lengths.completion_prompt, lengths, sizes.test)
        kind = optional_kind(variants[primary], variants[name])
        jobs, loads = work.jobs + 1, work.loads + 1
        works.append(replace(work, terms=terms, jobs=jobs, loads=loads, optional=kind, measured_as="dpo"))
    kept_longest = list(reversed(settings["budget"]["optional"]))
    return sorted(works, key=lambda work: kept_longest.index(work.optional))


# How far a run goes: each level has all of the one before it.
BASELINE, WITH_SFT, CORE = range(3)
LEVELS = ("baseline", "baseline and SFT", "baseline, SFT and DPO")


def plan_work(settings: dict, sizes: Sizes, lengths: Lengths, level: int = CORE) -> list[Work]:
    """The stages of a run up to a level, in their order; optional ones last, in the order they are kept."""
    works = [baseline_work(settings, sizes, lengths)]
    if level >= WITH_SFT:
        works += [sft_data_work(settings, sizes, lengths), sft_work(settings, sizes, lengths)]
    if level >= CORE:
        primary = settings["statistics"]["primary"]["candidate"].removeprefix("dpo-")
        works += [
            pairs_work(settings, sizes, lengths),
            dpo_work("dpo", settings["dpo"]["variants"][primary], sizes, lengths),
            control_work(settings, sizes, lengths),
        ]
    if level >= WITH_SFT:
        arms = 2 if level >= CORE else 1
        works.append(evaluation_work(sizes, lengths, arms, arms, settings))
    works.append(analysis_work(sizes.analysis_seconds))
    return works + (ablation_works(settings, sizes, lengths) if level >= CORE else [])
