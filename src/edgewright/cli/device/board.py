"""`edgewright device board`: microcontrollers behind this device. Its commands are the files of `cli/board`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "board",
    before="device board ",
    help="Inspect a microcontroller over its serial line, and update its weights.",
    epilog="Example: edgewright device board update /dev/ttyACM0 pump.weights",
)
