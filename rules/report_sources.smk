"""What the summary page is told of the workflow: its configuration, who makes which file, with which code.

Included by the Snakefile, for the rules of both pages.
"""

from workflow_scripts.core import manifests, workflow_files


@cache
def page_origins(page, *readers):
    """Rules behind a page with digests, modules and environments, and the rule of each file that it and `readers` read."""
    rules = workflow_files.rules_behind(workflow, page)
    known = {
        "code": workflow_files.digests(workflow, "code"),
        "environment": workflow_files.digests(workflow, "environment"),
        "modules": workflow_files.modules(workflow),
        "environment_files": workflow_files.environments(workflow),
    }
    places = manifests.Places(*map(workflow.pathvars.apply, ["<results>", "<reports>"]))
    makers = workflow_files.makers(workflow, [page, *readers])
    named = {places.name_of(file).removeprefix("results/"): rule for file, rule in makers.items()}
    slices = {name: {rule: found[rule] for rule in rules} for name, found in known.items()}
    return {"makers": named, **slices}


def summary_settings(wildcards):
    """The whole configuration, what was left out to keep the cap, and where each file comes from."""
    origins = page_origins("summary_page", "report_tables")
    origins["makers"]["config.yaml"] = "summary_page"
    return canonical_json({"config": REPORT_CONFIG, "dropped": DROPPED, **origins})


def cost_page_settings(wildcards):
    """Where the costs come from."""
    return canonical_json(page_origins("cost_page"))
