"""`edgewright bus`: the local bus of a gateway. Its commands are the files of `cli/bus`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "bus",
    help="Give services of a gateway rights at its broker, and keep shadows of devices that Home Assistant finds.",
    epilog="Example: edgewright bus rights bus.toml --out broker",
)
