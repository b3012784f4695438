"""`edgewright device board revert`: back to the weights before those on trial."""

from __future__ import annotations

from edgewright.cli.board._line import LineOptions, tell
from edgewright.cli.options import declare
from edgewright.schema.errors import CheckFailedError


@declare("revert", epilog="Example: edgewright device board revert /dev/ttyACM0")
def command(options: LineOptions) -> None:
    """Make the board at PORT drop weights on trial, for good, or a transfer in progress."""
    from edgewright.device.boards.link import CODES, REVERT

    with options.open() as line:
        answer = line.ask(REVERT)
    if answer.code:
        raise CheckFailedError(f"the board did not revert: {CODES.get(answer.code, answer.code)}")
    tell(answer, options.as_json)
