"""`edgewright device board revert`: back to the weights before those on trial."""

from __future__ import annotations

from edgewright.cli.board._line import LineOptions, tell
from edgewright.cli.options import declare
from edgewright.schema.errors import CheckFailedError


@declare("revert", epilog="Example: edgewright device board revert /dev/ttyACM0")
def command(options: LineOptions) -> None:
    """Send the board at PORT back from weights on trial, which it never takes again, or drop a transfer."""
    from edgewright.device.boards.link import CODES, REVERT

    with options.open() as line:
        told = line.ask(REVERT)
    if told.code:
        raise CheckFailedError(f"the board did not go back: {CODES.get(told.code, told.code)}")
    tell(told, options.as_json)
