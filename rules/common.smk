"""Shared by the stage files: each rule's slice of the config, digests of its code and environment, ids, arms.

Needs the config, which is checked here before any rule is made.
"""

from functools import cache

from workflow_scripts.core import code_digest as code
from workflow_scripts.core import sessions
from workflow_scripts.core import variants as dpo_variants
from workflow_scripts.core.config_validation import check_config
from workflow_scripts.core.errors import InputError
from workflow_scripts.core.hashing import canonical_json
from workflow_scripts.core.model_files import loaded_files
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

try:
    config["dpo"]["variants"] = dpo_variants.completed(config["dpo"]["variants"])
    check_config(config, workflow.basedir)
except InputError as error:
    raise WorkflowError(str(error))

# In an environment of its own a rule has nothing else, not the user's packages, nor (Snakemake's doing) PYTHONPATH.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    shell.prefix("set -euo pipefail; export PYTHONNOUSERSITE=1; ")


wildcard_constraints:
    shard=r"\d{3}",
    arm=r"[a-z0-9_.-]+",
    variant=r"[a-z0-9_.-]+",
    pair_set=r"[a-z0-9_.-]+",
    baseline=r"[a-z0-9_.]+(-[a-z0-9_.]+)*?",
    candidate=r"[a-z0-9_.-]+",
    evaluation="evaluation|dev_evaluation",
    repeat="same|other_batch",
    moment="pilot|sft",


digest_of_code = cache(code.code_digest)
digest_of_environment = cache(code.environment_digest)
PRIMARY_VARIANT = config["statistics"]["primary"]["candidate"].removeprefix("dpo-")


def code_digest(module):
    """A parameter: the digest of a module's code, taken for jobs alone, as a job on a cluster starts Snakemake twice more."""
    return lambda wildcards: digest_of_code(module)


def environment_digest(file):
    """A parameter: the digest of a conda environment, likewise."""
    return lambda wildcards: digest_of_environment(file)


def settings(*keys):
    """The named top-level slices of the config as canonical JSON."""
    return canonical_json({key: config[key] for key in keys})


def model_files():
    """What a local base is loaded from, so that a changed base reruns everything; none for a pinned hub repository."""
    path = config["base_model"]["path"]
    return [str(file) for file in loaded_files(path)] if path else []


def base_model_settings():
    """What names the base; how it continues the sentinels is another rule's matter."""
    names = ("path", "repo", "revision", "accept_chat_template")
    return canonical_json({"base_model": {name: config["base_model"][name] for name in names}})


def recorded_rates():
    """The base's recorded rates on the sentinels, where the config names them."""
    path = config["base_model"]["recorded_rates"]
    return [path] if path else []


def shots_settings():
    """How many exemplars the few-shot prompts show."""
    shots = {key: {"shots": config["generation"][key]["shots"]} for key in ("instruction", "answer")}
    return canonical_json({"generation": shots})


def generation_settings():
    """What the pilot and the shards share; sizes are parameters of the rules."""
    sampling = {key: config["generation"][key] for key in ("instruction", "answer")}
    return canonical_json({"generation": sampling, "engine": config["engine"], "seed": config["seed"]})


def near_settings():
    """What makes two instructions near duplicates."""
    return canonical_json({"deduplication": {"near": config["deduplication"]["near"]}})


def guidance_lists():
    """The topics and verbs for new instructions, where the config names their file."""
    guidance = config["generation"]["instruction"]["guidance"]
    return [guidance["lists"]] if guidance else []


def candidate_settings():
    """Candidates per instruction and their sampling; pair sets are cut from the pool later."""
    candidates = {key: config["preferences"][key] for key in ("candidates", "sampling")}
    return canonical_json({"preferences": candidates, "engine": config["engine"], "seed": config["seed"]})


def gate_settings(gate):
    """A gate's criteria and its override, if the config has one."""
    override = config["overrides"].get(gate)
    return canonical_json({"gate": {"name": gate, "criteria": config["gates"][gate], "override": override}})


def gate_error_settings():
    """What the error rates of the gates on a lift depend on."""
    return canonical_json(
        {
            "gates": {gate: config["gates"][gate] for gate in ("sft", "dpo")},
            "n": config["test_set"]["sizes"]["dev"],
            "confidence": config["statistics"]["confidence"],
            "planned_discordance": config["statistics"]["planned_discordance"],
        }
    )


def decoding():
    """How every arm is decoded: the part of `evaluation` that an answer depends on."""
    return {key: config["evaluation"][key] for key in ("max_new_tokens", "stop")}


def respond_settings():
    """The engine and the decoding of an arm's answers."""
    return canonical_json({"engine": config["engine"], "evaluation": decoding()})


def repeat_settings(wildcards):
    """The same for an arm that is asked again: fewer items and, where that is the point, another batch size."""
    repeats, engine = config["evaluation"]["repeats"], config["engine"]
    if wildcards.repeat == "other_batch":
        engine = {**engine, "batch_size": repeats["batch_size"]}
    return canonical_json({"engine": engine, "evaluation": decoding(), "repeated_items": repeats["items"]})


def sft_settings():
    """SFT with the engine and the decoding of its dev evaluation."""
    sft = {key: config[key] for key in ("sft", "engine", "seed")}
    return canonical_json({**sft, "evaluation": decoding()})


def dpo_settings(wildcards):
    """One DPO variant with its seed, which is the root seed unless it has one, and the engine of its dev evaluation."""
    variant = config["dpo"]["variants"][wildcards.variant]
    seed = variant["seed"] if variant.get("seed") is not None else config["seed"]
    return canonical_json(
        {
            "dpo": {key: value for key, value in variant.items() if key != "seed"},
            "engine": config["engine"],
            "evaluation": decoding(),
            "seed": seed,
        }
    )


def pair_set_settings(wildcards):
    """One pair set of the config."""
    return canonical_json({"pair_set": config["preferences"]["sets"][wildcards.pair_set]})


def shard_ids(count):
    """Zero-padded shard numbers: 000, 001, ..."""
    return [f"{number:03d}" for number in range(count)]


def generated_shards():
    """The records as the base wrote them."""
    return collect(
        "<results>/generation/shard-{shard}.parquet", shard=shard_ids(config["generation"]["shards"])
    )


def training_records():
    """What training data is made of: the shards, or where people edited them all records after the edits."""
    return "<results>/edits/records.parquet" if config["generation"]["edits"] else generated_shards()


def confidence_settings():
    """The confidence of the intervals alone: what gates read must not change with the rest of the statistics."""
    return canonical_json({"statistics": {"confidence": config["statistics"]["confidence"]}})


def human_labels():
    """The file of people's labels, where the config names one."""
    return [config["evaluation"]["labels"]] if config["evaluation"]["labels"] else []
