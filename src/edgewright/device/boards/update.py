"""Hands weights to a board: announced, sent piece by piece, verified and tested there, and confirmed."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.device.boards import link
from edgewright.device.boards.link import BoardAnswer, BoardLine
from edgewright.device.boards.weights import parse_weights
from edgewright.schema.errors import CheckFailedError

_SLOW = 20.0
"""Seconds in which a board must have verified a signature; a Cortex-M0 at 16 MHz takes about two."""


class BoardRefusedError(CheckFailedError):
    """A board refuses weights; `code` is one of `link.CODES`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the board refuses the weights: {link.CODES.get(code, f'code {code}')}")
        self.code = code


def update(
    line: BoardLine,
    data: bytes,
    where: str,
    *,
    confirm: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> BoardAnswer:
    """Bring weights to a board.

    A transfer that broke off goes on where it was, as long as the board had power; weights that are at work already are
    not sent again, and confirmed where they are on trial.

    Args:
        line: to the board.
        data: of the file.
        where: names the file in messages.
        confirm: end the trial once the new weights are at work and the board answers. Without it the board goes back
            by itself after some starts.
        progress: told bytes that arrived, and all.

    Returns:
        What the board said last.

    Raises:
        InputError: for a file that holds no weights.
        BoardRefusedError: the board refuses them, or they are for other code.
        OutputError: it does not answer.
    """
    weights = parse_weights(data, where)
    status = line.ask(link.ASK)
    if not (status.state == 0 and status.active is not None and status.name == weights.digest):
        _refuse_early(status, weights.layout, weights.counter, weights.length)
        status = _send(line, data, weights.digest, progress)
        status = _agreed(line.ask(link.FINISH, patience=_SLOW), weights.digest)
    return _allowed(line.ask(link.CONFIRM)) if confirm else status


def _refuse_early(status: BoardAnswer, layout: bytes, counter: int, length: int) -> None:
    """Refuse early what the board would refuse after the transfer; the board's own verdict is final."""
    code = link.OK
    if status.trial is not None:
        code = link.TRIAL
    elif status.layout != layout:
        code = link.LAYOUT
    elif counter <= status.floor:
        code = link.OLDER
    elif length > status.slot:
        code = link.TOO_LONG
    if code:
        raise BoardRefusedError(code)


def _send(line: BoardLine, data: bytes, name: bytes, progress: Callable[[int, int], None] | None) -> BoardAnswer:
    begin = len(data).to_bytes(4, "little") + name
    status = _allowed(line.ask(link.BEGIN, begin))
    while status.received < len(data):
        at = status.received
        if progress is not None:
            progress(at, len(data))
        status = line.ask(link.WRITE, at.to_bytes(4, "little") + data[at : at + max(status.chunk, 1)])
        if status.code in (link.GAP, link.ORDER) and status.name != name:
            # It restarted in between.
            status = line.ask(link.BEGIN, begin)
        if status.code != link.GAP:
            _allowed(status)
    return status


def _agreed(status: BoardAnswer, name: bytes) -> BoardAnswer:
    """Return the answer to FINISH, which a repeated request finds done already."""
    if status.code == link.ORDER and status.state == 0 and status.name == name and status.active is not None:
        return status
    return _allowed(status)


def _allowed(status: BoardAnswer) -> BoardAnswer:
    if status.code:
        raise BoardRefusedError(status.code)
    return status
