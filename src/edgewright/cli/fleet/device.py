"""`edgewright fleet device`: what is done to one device. Its commands are the files of `cli/fleet_device`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "device",
    package="edgewright.cli.fleet_device",
    before="fleet device ",
    help="List, show, block, retire, rename and tag devices, and deploy a release to one.",
    epilog="Example: edgewright fleet device retire pump-017 --reason 'stolen' --fleet my-fleet",
)
