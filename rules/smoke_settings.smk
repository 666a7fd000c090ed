"""What the rules before a run ask of Snakemake itself."""


def conda_prefix_argument():
    """The option of preflight that says where environments go, where the profile names a place for them."""
    prefix = workflow.deployment_settings.conda_prefix
    return ["--environments", str(prefix)] if prefix else []
