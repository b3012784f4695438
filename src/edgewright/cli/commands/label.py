"""`edgewright label`: labels with help. Its commands are the files of `cli/label`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "label",
    help="Label data with help: suggestions, active learning, reviews, likely errors, and audits by people.",
    epilog="Example: edgewright label suggest calls.csv --out calls.labelling --encoder all-MiniLM-L6-v2",
)
