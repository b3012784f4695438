"""`edgewright detect`: anomaly detectors. Its commands are the files of `cli/detect`."""

from __future__ import annotations

from edgewright.cli.folder import FolderOfCommands

COMMAND = FolderOfCommands(
    "detect",
    package="edgewright.cli.detect",
    help="Find anomalies in streams and windows: fit a detector, run it, score it.",
    epilog="Example: edgewright detect fit pump.csv --time time --out pump.detector",
)
