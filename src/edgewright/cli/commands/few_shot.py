"""`edgewright few-shot`: labels by the nearest of a few examples. Its commands are the files of `cli/few_shot`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "few-shot",
    help=(
        "Classify by the nearest of a few examples, on a package's features; add labels on the device without training."
    ),
    epilog="Example: edgewright few-shot learn runs/activity --examples examples/ --out activity.neighbours",
)
