"""`edgewright fleet device block`: refuse a device until it is unblocked."""

from edgewright.cli.commands.fleet.device._output import command_with_reason

command = command_with_reason(
    "block",
    "Block a device: the control plane refuses its reports and requests until `unblock`, and it has no vote. It keeps "
    "the release that it has. NAME is its id or its whole name.",
    "is blocked; end this with: edgewright fleet device unblock",
)
