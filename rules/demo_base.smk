"""The embedded base: corpus, pretraining, measurement, its rates on the sentinels, model card.

A Snakefile of its own, as a clone never rebuilds what is shipped:

    snakemake --snakefile rules/demo_base.smk --cores 2

Needs config/demo_base.yaml, the task families, the constitution, the exemplars, the sentinels, the prompts and the
shipped tokenizer, which was trained once and is kept: weights belong to one tokenizer. Makes resources/demo_base/ (under
<shipped>), and its makings under <work>; the target `tokenizer` trains another tokenizer there, to be put in the place of
the shipped one.
"""

import sys
from snakemake.utils import min_version

sys.path.insert(0, ".")  # it is run from the root of the repository

from workflow_scripts.core.code_digest import code_digest
from workflow_scripts.core.hashing import canonical_json

min_version("9.27")


configfile: "config/demo_base.yaml"


pathvars:
    work=config.get("work", "results/demo_base"),
    shipped=config.get("shipped", "resources/demo_base"),


WEIGHTS = ("config.json", "generation_config.json", "model.safetensors")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
ENGINE = canonical_json(
    {"engine": {"backend": "transformers", "dtype": "float32", "device": "cpu", "batch_size": 64}}
)


def settings(*keys):
    """The named slices of the config as canonical JSON."""
    return canonical_json({key: config[key] for key in keys})


rule ship:
    input:
        model="<work>/model",
        card="<work>/README.md",
        measured="<work>/measured.json",
        sentinels="<work>/sentinels.json",
        training="<work>/training.json",
    output:
        [f"<shipped>/{name}" for name in WEIGHTS],
        card="<shipped>/README.md",
        measured="<shipped>/measured.json",
        sentinels="<shipped>/sentinels.json",
        training="<shipped>/training.json",
    params:
        directory=lambda wildcards, output: output.card.removesuffix("/README.md"),
        weights=lambda wildcards, input: [f"{input.model}/{name}" for name in WEIGHTS],
    shell:
        "cp {params.weights:q} {input.card:q} {input.measured:q} {input.sentinels:q} {input.training:q}"
        " {params.directory:q}/"


rule corpus:
    input:
        script="workflow_scripts/demo_corpus.py",
        tasks="config/tasks/microworld.yaml",
        constitution="config/constitution.yaml",
    output:
        corpus="<work>/corpus.parquet",
    threads: 2
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/demo_corpus.py"),
        settings=settings("corpus", "seed"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --tasks {input.tasks:q}"
        " --constitution {input.constitution:q} --processes {threads} --corpus {output.corpus:q}"


rule tokenizer:
    input:
        script="workflow_scripts/demo_tokenizer.py",
        corpus="<work>/corpus.parquet",
    output:
        tokenizer=directory("<work>/tokenizer"),
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/demo_tokenizer.py"),
        settings=settings("model", "tokenizer"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --corpus {input.corpus:q}"
        " --tokenizer {output.tokenizer:q}"


rule pretrain:
    input:
        script="workflow_scripts/demo_pretrain.py",
        corpus="<work>/corpus.parquet",
        tokenizer=[f"resources/demo_base/{name}" for name in TOKENIZER],
    output:
        model=directory("<work>/model"),
        training="<work>/training.json",
    threads: 2
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/demo_pretrain.py"),
        settings=settings("corpus", "model", "pretraining", "seed"),
    shell:
        "OMP_NUM_THREADS={threads} python -m {params.module} --settings {params.settings:q} --corpus {input.corpus:q}"
        " --tokenizer resources/demo_base --model {output.model:q} --training {output.training:q}"


rule measure:
    input:
        script="workflow_scripts/demo_measure.py",
        model="<work>/model",
        tasks="config/tasks/microworld.yaml",
        exemplars="config/exemplars.yaml",
        constitution="config/constitution.yaml",
        templates=expand(
            "config/prompts/{name}.j2", name=["answers", "completion", "critic", "instructions", "raw"]
        ),
    output:
        measured="<work>/measured.json",
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/demo_measure.py"),
        settings=settings("measure"),
    shell:
        "python -m {params.module} --settings {params.settings:q} --model {input.model:q} --tasks {input.tasks:q}"
        " --exemplars {input.exemplars:q} --constitution {input.constitution:q} --prompts config/prompts"
        " --measured {output.measured:q}"


rule sentinels:
    input:
        script="workflow_scripts/sentinels.py",
        model="<work>/model",
        sentinels="config/sentinels.yaml",
        template="config/prompts/completion.j2",
    output:
        report="<work>/sentinels.json",
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/sentinels.py"),
        settings=ENGINE,
    shell:
        "python -m {params.module} --settings {params.settings:q} --model {input.model:q}"
        " --sentinels {input.sentinels:q} --template {input.template:q} --report {output.report:q}"


rule model_card:
    input:
        script="workflow_scripts/demo_model_card.py",
        model="<work>/model",
        measured="<work>/measured.json",
        training="<work>/training.json",
        template="config/demo_base_card.md.j2",
    output:
        card="<work>/README.md",
    params:
        module=as_py_module(),
        code=code_digest("workflow_scripts/demo_model_card.py"),
    shell:
        "python -m {params.module} --model {input.model:q} --measured {input.measured:q}"
        " --training {input.training:q} --template {input.template:q} --card {output.card:q}"
