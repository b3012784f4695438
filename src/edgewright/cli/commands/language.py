"""`edgewright language`: sentences and documents. Its commands are the files of `cli/language`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "language",
    help="Parse intents and slots, and answer questions from documents, on small devices and offline.",
    epilog='Example: edgewright language parse "I want a soda please" --model drinks.language',
)
