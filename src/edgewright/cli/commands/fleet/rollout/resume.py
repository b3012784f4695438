"""`edgewright fleet rollout resume`: go on after a pause."""

from edgewright.cli.commands.fleet.rollout._output import steering_command

command = steering_command("resume", "Resume a paused rollout; an aborted one cannot be resumed.")
