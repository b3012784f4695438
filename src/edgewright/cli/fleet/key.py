"""`edgewright fleet key`: the keys of a fleet. Its commands are the files of `cli/keys`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "key",
    package="edgewright.cli.keys",
    before="fleet key ",
    help="List, sign with, rotate and revoke the keys that a fleet's devices believe.",
    epilog="Example: edgewright fleet key list my-fleet",
)
