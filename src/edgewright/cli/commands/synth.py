"""`edgewright synth`: synthetic data, marked as such. Its commands are the files of `cli/synth`."""

from __future__ import annotations

from edgewright.cli.folder import FolderOfCommands

COMMAND = FolderOfCommands(
    "synth",
    package="edgewright.cli.synth",
    help="Synthetic signals, sentences and speech: always marked, never tested on, and what they are worth.",
    epilog="Example: edgewright synth worth a.csv --target activity --group person --time t --method jitter --window 9",
)
