"""`edgewright device board revert`: back to the weights before those on trial."""

from __future__ import annotations

from edgewright.cli.command import Result, declare
from edgewright.cli.commands.device.board._line import LineOptions, state_of
from edgewright.schema.errors import CheckFailedError


@declare(example="/dev/ttyACM0")
def command(options: LineOptions) -> Result:
    """Make the board at PORT drop weights on trial, for good, or a transfer in progress."""
    from edgewright.device.boards.link import CODES, REVERT

    with options.open() as line:
        answer = line.ask(REVERT)
    if answer.code:
        raise CheckFailedError(f"the board did not revert: {CODES.get(answer.code, answer.code)}")
    return state_of(answer)
