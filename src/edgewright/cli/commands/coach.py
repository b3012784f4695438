"""`edgewright coach` and its commands, the files of `cli/coach`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "coach",
    help="Teach pronunciation: train a small int8 network that hears phones, and read sentences to it.",
    epilog='Example: edgewright coach listen english.coach "we call it bear" --wav bear.wav',
)
