"""What the manifest lists: every file that `rule all` rests on, found by asking each rule for what it needs.

Included by manifest.smk alone.
"""

from workflow_scripts.core import workflow_files


@cache
def run_files():
    """(made, given): all files of the run but the manifest, and those that no rule makes.

    base/model.json lists the files of a local base, which may be large.
    """
    own = workflow.pathvars.apply("<results>/manifest.json")
    return workflow_files.upstream(workflow, "all", without={own, *model_files()})


def made_files(wildcards):
    """Every file that the run makes, but for the manifest."""
    return run_files()[0]


def given_files(wildcards):
    """Every file that the run starts from: modules, prompts, tasks, lists, templates, captions."""
    return run_files()[1]


def manifest_settings(wildcards):
    """The configuration, and the digests of every rule's code and environment."""
    digests = {name: workflow_files.digests(workflow, name) for name in ("code", "environment")}
    return canonical_json({"config": REPORT_CONFIG, **digests})
