"""`edgewright fleet rollout resume`: go on after a pause."""

from edgewright.cli.rollouts._output import steering_command

command = steering_command("resume", "Go on after a pause. Only a person does this; an aborted rollout never goes on.")
