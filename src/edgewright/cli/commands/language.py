"""`edgewright language`: sentences and documents. Its commands are the files of `cli/language`."""

from __future__ import annotations

from edgewright.cli.folder import FolderOfCommands

COMMAND = FolderOfCommands(
    "language",
    package="edgewright.cli.language",
    help="Intents and slots of sentences, and answers from documents, on small devices and without a network.",
    epilog='Example: edgewright language parse "I want a soda please" --model drinks.language',
)
