"""`edgewright detect`: anomaly detectors. Its commands are the files of `cli/detect`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "detect",
    help="Find anomalies in streams and windows: fit, run and score a detector.",
    epilog="Example: edgewright detect fit pump.csv --time time --out pump.detector",
)
