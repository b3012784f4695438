"""`edgewright fleet`: many devices. Its commands are the files of `cli/fleet`."""

from __future__ import annotations

from edgewright.cli.folder import FolderOfCommands

COMMAND = FolderOfCommands(
    "fleet",
    package="edgewright.cli.fleet",
    help="Sign packages, roll them out in stages to many devices, watch them and take them back.",
    epilog="Example: edgewright fleet init my-fleet",
)
