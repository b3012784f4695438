"""`edgewright fleet device unblock`: end a block."""

from edgewright.cli.commands.fleet.device._output import command_with_reason

command = command_with_reason(
    "unblock",
    "Unblock a device that an operator blocked: its next report counts again. A quarantine ends with `fleet lift`.",
    "is active again; its next report counts",
)
