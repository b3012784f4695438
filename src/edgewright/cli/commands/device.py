"""`edgewright device`: what happens on a device. Its commands are the files of `cli/device`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "device",
    help="Run on a device, record with it, and look into its store.",
    epilog="Example: edgewright device status --store /var/lib/edgewright",
)
