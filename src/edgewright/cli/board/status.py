"""`edgewright device board status`: which weights a board has."""

from __future__ import annotations

from edgewright.cli.board._line import LineOptions, tell
from edgewright.cli.options import declare


@declare("status", epilog="Example: edgewright device board status /dev/ttyACM0")
def command(options: LineOptions) -> None:
    """Show the weights of the board at PORT, and which weights it would accept."""
    from edgewright.device.boards.link import ASK

    with options.open() as line:
        tell(line.ask(ASK), options.as_json)
