"""`edgewright fleet rollout pause`: nobody begins until it is resumed."""

from edgewright.cli.rollouts._output import steering_command

command = steering_command(
    "pause", "Pause a rollout until an operator resumes it; devices that have the release keep it."
)
