"""`edgewright device board`: microcontrollers behind this device. Its commands are the files of `cli/board`."""

from __future__ import annotations

from edgewright.cli.folder import FolderOfCommands

COMMAND = FolderOfCommands(
    "board",
    package="edgewright.cli.board",
    before="device board ",
    help="Look at a microcontroller over its serial line, and bring it new weights.",
    epilog="Example: edgewright device board update /dev/ttyACM0 pump.weights",
)
