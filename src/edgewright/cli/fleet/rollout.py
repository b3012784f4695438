"""`edgewright fleet rollout`: a release reaches devices in stages. Its commands are the files of `cli/rollouts`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "rollout",
    package="edgewright.cli.rollouts",
    before="fleet rollout ",
    help="Start, pause, resume, abort or show the staged rollout of a signed release.",
    epilog="Example: edgewright fleet rollout start --fleet my-fleet --find-within 24h",
)
