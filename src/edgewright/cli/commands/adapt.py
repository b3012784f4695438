"""`edgewright adapt`: models that learn on the device. Its commands are the files of `cli/adapt`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "adapt",
    help="Let a package learn on its device from a few labelled examples, and see before deployment what it gains.",
    epilog="Example: edgewright adapt simulate runs/watch --examples 65s",
)
