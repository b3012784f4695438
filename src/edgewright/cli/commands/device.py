"""`edgewright device`: what happens on a device. Its commands are the files of `cli/device`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "device",
    help="Run a model on a device, record data, and inspect the device's store.",
    epilog="Example: edgewright device status --store /var/lib/edgewright",
)
