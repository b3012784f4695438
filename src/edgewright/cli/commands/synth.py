"""`edgewright synth`: synthetic data, marked as such. Its commands are the files of `cli/synth`."""

from edgewright.cli.folder import FolderOfCommands

command = FolderOfCommands(
    "synth",
    help=(
        "Generate synthetic signals, sentences and speech, and measure their utility; they are always marked and "
        "never tested on."
    ),
    epilog="Example: edgewright synth utility a.csv --target label --group person --time t --method jitter --window 9",
)
