"""`edgewright device`: what happens on a device. Its commands are the files of `cli/device`."""

from __future__ import annotations

from edgewright.cli.folder import FolderOfCommands

COMMAND = FolderOfCommands(
    "device",
    package="edgewright.cli.device",
    help="Run on a device, record with it, and look into its store.",
    epilog="Example: edgewright device status --store /var/lib/edgewright",
)
