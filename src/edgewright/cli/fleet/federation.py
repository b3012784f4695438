"""`edgewright fleet federation`: devices learn together. Its commands are the files of `cli/federation`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "federation",
    package="edgewright.cli.federation",
    before="fleet federation ",
    help="Let devices learn the last layer of their package together while their data stay on them.",
    epilog="Example: edgewright fleet federation start runs/watch --fleet my-fleet --rounds 20",
)
