"""A process that looks at boards once and ends: `python -m edgewright.fleet.device.board_process PARENT`.

It reads a `BoardRound` on standard input and says a `BoardSeen` a line. It reads packages and talks to lines, for which
the agent has neither the memory nor the time: whatever becomes of it, the agent and the model's process go on. Nobody
else imports this module, since it needs NumPy.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from edgewright.core.package import Package, read_package
from edgewright.device.boards.link import BoardLine, open_link
from edgewright.device.boards.reconciliation import BoardCheck, look, unreachable
from edgewright.device.boards.weights import keep, only_for_boards
from edgewright.schema.boards import BoardAsk, BoardRound, BoardSeen, BoardState
from edgewright.schema.errors import EdgewrightError

Tell = Callable[[BoardSeen], None]
_AT_ONCE = 8
"""Boards that are asked at the same time."""


def main(arguments: list[str]) -> int:
    """Carries out one round; exit code 3 where the agent is gone, else 0."""
    if arguments:
        # It ends with the agent, also where that is killed: two would be in each other's way on a line.
        ctypes.CDLL(None).prctl(1, 9)
        if os.getppid() != int(arguments[0]):
            return 3
    board_round = msgspec.json.decode(sys.stdin.buffer.read(), type=BoardRound)
    guard = threading.Lock()

    def tell(seen: BoardSeen) -> None:
        with guard, suppress(BrokenPipeError):
            sys.stdout.buffer.write(msgspec.json.encode(seen) + b"\n")
            sys.stdout.buffer.flush()

    carry_out(board_round, tell)
    return 0


def carry_out(board_round: BoardRound, tell: Tell) -> None:
    """Look at every board of a round.

    Args:
        board_round: as the agent says it.
        tell: takes how each board is, from several threads; the last word of each ends its part.
    """
    try:
        package = read_package(Path(board_round.package))
        if board_round.trial and not (
            board_round.before and only_for_boards(package, read_package(Path(board_round.before)))
        ):
            _all(board_round, tell, "waiting", "the release is on trial on its device first")
            return
        keep(package, Path(board_round.ways))
    except EdgewrightError as error:
        _all(board_round, tell, "trouble", str(error))
        return
    places = threading.Semaphore(_AT_ONCE)
    threads = [
        threading.Thread(target=_one, args=(board_round, board, package, places, tell), name=board.entry.name)
        for board in board_round.boards
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _all(board_round: BoardRound, tell: Tell, state: BoardState, why: str) -> None:
    for board in board_round.boards:
        tell(BoardSeen(name=board.entry.name, state=state, release=board_round.release, why=why[:300]))


def _one(board_round: BoardRound, board: BoardAsk, package: Package, places: threading.Semaphore, tell: Tell) -> None:
    with places:
        looked = BoardCheck(
            board.entry,
            board_round.release,
            package,
            Path(board_round.ways),
            confirm=board.confirm,
            send=board.send,
            tell=tell,
        )
        try:
            with open_link(board.entry.link) as port:
                seen = look(BoardLine(port), looked)
        except EdgewrightError as error:
            seen = unreachable(looked, error)
        tell(seen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
