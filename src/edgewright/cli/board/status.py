"""`edgewright device board status`: which weights a board has."""

from __future__ import annotations

import click

from edgewright.cli.board._line import line_options


@click.command("status", epilog="Example: edgewright device board status /dev/ttyACM0")
@line_options
def command(port: str, baud: int, as_json: bool) -> None:
    """Ask the board at PORT which weights it has, and which it would take."""
    from edgewright.cli.board._line import board_at, tell
    from edgewright.device.boards.link import ASK

    with board_at(port, baud) as line:
        tell(line.ask(ASK), as_json)
