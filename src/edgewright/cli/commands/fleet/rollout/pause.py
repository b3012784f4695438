"""`edgewright fleet rollout pause`: nobody begins until it is resumed."""

from edgewright.cli.commands.fleet.rollout._output import steering_command

command = steering_command(
    "pause", "Pause a rollout until an operator resumes it; devices that have the release keep it."
)
