"""A process that checks boards once and exits: `python -m edgewright.fleet.device.board_process PARENT`.

It reads a `BoardRound` from standard input and writes one `BoardSeen` per line. Reading packages and talking to serial
lines needs memory and time that the agent does not have; if this process fails, the agent and the model's process
continue. No other module imports this one, because it needs NumPy.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from edgewright.core.errors import EdgewrightError, error_code
from edgewright.core.package import Package, read_package
from edgewright.core.records.fleet import BoardAsk, BoardRound, BoardSeen, BoardState
from edgewright.device.agent.parent_process import end_with
from edgewright.device.boards.link import BoardLine, open_link
from edgewright.device.boards.reconciliation import BoardCheck, look, unreachable
from edgewright.device.boards.weights import keep, only_for_boards

Report = Callable[[BoardSeen], None]
_AT_ONCE = 8
"""Number of boards that are checked at the same time."""


def main(arguments: list[str]) -> int:
    """Carry out one round; return exit code 3 if the agent has exited, else 0."""
    # Two processes would disturb each other on a line.
    if arguments and not end_with(int(arguments[0])):
        return 3
    board_round = msgspec.json.decode(sys.stdin.buffer.read(), type=BoardRound)
    guard = threading.Lock()

    def write(seen: BoardSeen) -> None:
        with guard, suppress(BrokenPipeError):
            sys.stdout.buffer.write(msgspec.json.encode(seen) + b"\n")
            sys.stdout.buffer.flush()

    carry_out(board_round, write)
    return 0


def carry_out(board_round: BoardRound, report: Report) -> None:
    """Check every board of a round.

    Args:
        board_round: the agent's request.
        report: receives the state of each board, from several threads; the last state of a board is final.
    """
    try:
        package = read_package(Path(board_round.package))
        if board_round.trial and not (
            board_round.before and only_for_boards(package, read_package(Path(board_round.before)))
        ):
            _all(board_round, report, "waiting", "the release is on trial on its device first")
            return
        keep(package, Path(board_round.ways))
    except EdgewrightError as error:
        sys.stderr.write(f"edgewright: {' '.join(str(error).splitlines())}\n")
        _all(board_round, report, "trouble", error_code(error))
        return
    places = threading.Semaphore(_AT_ONCE)
    threads = [
        threading.Thread(target=_check, args=(board_round, board, package, places, report), name=board.entry.name)
        for board in board_round.boards
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _all(board_round: BoardRound, report: Report, state: BoardState, why: str) -> None:
    for board in board_round.boards:
        report(BoardSeen(name=board.entry.name, state=state, release=board_round.release, why=why[:300]))


def _check(
    board_round: BoardRound, board: BoardAsk, package: Package, places: threading.Semaphore, report: Report
) -> None:
    with places:
        looked = BoardCheck(
            board.entry, board_round.release, package, Path(board_round.ways), confirm=board.confirm, send=board.send,
            progress=report,
        )  # fmt: skip
        try:
            with open_link(board.entry.link) as port:
                seen = look(BoardLine(port), looked)
        except EdgewrightError as error:
            seen = unreachable(looked, error)
        report(seen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
