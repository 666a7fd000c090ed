"""Whether trainings are shown in TensorBoard or Weights & Biases: jobs learn of it by the environment.

Needs the config, and takes its part away: what is watched is no part of what is made, so no rule may see it.
"""

from workflow_scripts.core import tracking

TRACKING = config.pop("tracking", {"report_to": []})
os.environ.pop(tracking.VARIABLE, None)
if TRACKING["report_to"]:
    in_conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    try:
        tracking.check(TRACKING["report_to"], Path("envs/train.yaml") if in_conda else None)
    except InputError as error:
        raise WorkflowError(str(error))
    os.environ[tracking.VARIABLE] = canonical_json(
        {**TRACKING, "directory": workflow.pathvars.apply("<logs>/tracking")}
    )
