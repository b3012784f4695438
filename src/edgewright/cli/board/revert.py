"""`edgewright device board revert`: back to the weights before those on trial."""

from __future__ import annotations

import click

from edgewright.cli.board._line import line_options
from edgewright.schema.errors import CheckFailedError


@click.command("revert", epilog="Example: edgewright device board revert /dev/ttyACM0")
@line_options
def command(port: str, baud: int, as_json: bool) -> None:
    """Send the board at PORT back from weights on trial, which it never takes again, or drop a transfer."""
    from edgewright.cli.board._line import board_at, tell
    from edgewright.device.boards.link import CODES, REVERT

    with board_at(port, baud) as line:
        told = line.ask(REVERT)
    if told.code:
        raise CheckFailedError(f"the board did not go back: {CODES.get(told.code, told.code)}")
    tell(told, as_json)
