"""`edgewright detect`: anomaly detectors. Its commands are the files of `cli/detect`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "detect",
    help="Find anomalies in streams and windows: fit a detector, run it, score it.",
    epilog="Example: edgewright detect fit pump.csv --time time --out pump.detector",
)
