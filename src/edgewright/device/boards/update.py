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
    """Brings weights to a board.

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
    told = line.ask(link.ASK)
    if not (told.state == 0 and told.active is not None and told.name == weights.digest):
        _refuse_early(told, weights.layout, weights.counter, weights.length)
        told = _send(line, data, weights.digest, progress)
        told = _agreed(line.ask(link.FINISH, patience=_SLOW), weights.digest)
    return _allowed(line.ask(link.CONFIRM)) if confirm else told


def _refuse_early(told: BoardAnswer, layout: bytes, counter: int, length: int) -> None:
    """What the board would refuse after everything was sent; its own word is what counts."""
    code = link.OK
    if told.trial is not None:
        code = link.TRIAL
    elif told.layout != layout:
        code = link.LAYOUT
    elif counter <= told.floor:
        code = link.OLDER
    elif length > told.slot:
        code = link.TOO_LONG
    if code:
        raise BoardRefusedError(code)


def _send(line: BoardLine, data: bytes, name: bytes, progress: Callable[[int, int], None] | None) -> BoardAnswer:
    begin = len(data).to_bytes(4, "little") + name
    told = _allowed(line.ask(link.BEGIN, begin))
    while told.received < len(data):
        at = told.received
        if progress is not None:
            progress(at, len(data))
        told = line.ask(link.WRITE, at.to_bytes(4, "little") + data[at : at + max(told.chunk, 1)])
        if told.code in (link.GAP, link.ORDER) and told.name != name:
            # It started anew in between.
            told = line.ask(link.BEGIN, begin)
        if told.code != link.GAP:
            _allowed(told)
    return told


def _agreed(told: BoardAnswer, name: bytes) -> BoardAnswer:
    """The answer to FINISH, which a repeated request finds done already."""
    if told.code == link.ORDER and told.state == 0 and told.name == name and told.active is not None:
        return told
    return _allowed(told)


def _allowed(told: BoardAnswer) -> BoardAnswer:
    if told.code:
        raise BoardRefusedError(told.code)
    return told
