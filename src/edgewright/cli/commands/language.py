"""`edgewright language`: sentences and documents. Its commands are the files of `cli/language`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "language",
    help="Intents and slots of sentences, and answers from documents, on small devices and without a network.",
    epilog='Example: edgewright language parse "I want a soda please" --model drinks.language',
)
