"""`edgewright fleet key`: the keys of a fleet. Its commands are the files of `cli/keys`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "key",
    package="edgewright.cli.keys",
    before="fleet key ",
    help="List, rotate and revoke the keys that a fleet's devices trust, and sign with them.",
    epilog="Example: edgewright fleet key list my-fleet",
)
