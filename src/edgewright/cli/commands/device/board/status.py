"""`edgewright device board status`: which weights a board has."""

from __future__ import annotations

from edgewright.cli.command import Result, declare
from edgewright.cli.commands.device.board._line import LineOptions, state_of


@declare(example="/dev/ttyACM0")
def command(options: LineOptions) -> Result:
    """Show the weights of the board at PORT, and which weights it would accept."""
    from edgewright.device.boards.link import ASK

    with options.open() as line:
        return state_of(line.ask(ASK))
