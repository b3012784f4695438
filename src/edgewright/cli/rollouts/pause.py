"""`edgewright fleet rollout pause`: nobody begins until it is resumed."""

from edgewright.cli.rollouts._output import steering_command

command = steering_command(
    "pause", "Let nobody begin until a person resumes it; devices that have the release keep it."
)
