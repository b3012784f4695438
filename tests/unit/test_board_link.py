"""Weights over a serial line: lost and damaged frames, a line that goes, a board that starts anew."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from board_example import Board, build, train
from c99_stages import need_compiler
from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import CheckFailedError, OutputError
from edgewright.core.package import parse_package, read_package
from edgewright.core.predictor import Predictor
from edgewright.device.boards import link
from edgewright.device.boards.link import BoardLine, Port, answer, request
from edgewright.device.boards.reconciliation import update
from edgewright.device.boards.weights import with_weights
from frames_example import write_rows

serial = pytest.importorskip("serial")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    need_compiler()
    folder = tmp_path_factory.mktemp("board")
    return build(folder, train(folder, "one", "two"))


class Wire:
    """A pseudo-terminal with a board at one end, which can be ended and started again."""

    def __init__(self, board: Board, flash: Path) -> None:
        self._board, self._flash = board, flash
        self._master, self._slave = os.openpty()
        self.port = os.ttyname(self._slave)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        words = [str(self._board.folder / "board"), str(self._flash), "serve", str(self._master)]
        self._process = subprocess.Popen(words, pass_fds=[self._master])

    def cut(self) -> None:
        """Cut the power."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.cut()
        os.close(self._master)
        os.close(self._slave)


@contextmanager
def wired(board: Board, flash: Path) -> Iterator[Wire]:
    wire = Wire(board, flash)
    try:
        yield wire
    finally:
        wire.close()


class Bad:
    """A port that drops every nth frame, damages others, and carries rows between the answers."""

    def __init__(self, port: Port, every: int) -> None:
        self._port, self._every, self.sent = port, every, 0

    def write(self, data: bytes) -> int:
        self.sent += 1
        if self.sent % self._every == 1:
            return len(data)
        if self.sent % self._every == 2:
            data = data[: len(data) // 2] + b"\x55" + data[len(data) // 2 + 1 :]
        return int(self._port.write(data) or 0)

    def read(self, size: int) -> bytes:
        got = bytes(self._port.read(size))
        return got or write_rows(np.ones((1, 2), np.float32), sequence=0, time=0)


def test_a_gateway_brings_weights_to_a_board(board: Board, tmp_path: Path, cli: Cli) -> None:
    files = {n: board.file(f"link{n}.bin", board.weights(run, n)) for n, run in ((1, "one"), (2, "two"))}
    with wired(board, tmp_path / "flash") as wire:
        assert cli("device", "board", "status", wire.port).startswith("no weights\n")
        record = cli.json("device", "board", "update", wire.port, files[1])
        assert (record["counter"], record["floor"], record["starts_left"]) == (1, 1, None)
        assert "weights 2 in slot 1, on trial, 3 starts left" in cli(
            "device", "board", "update", wire.port, files[2], "--on-trial"
        )
        # A board on trial takes nothing else; the same again confirms.
        assert "on trial" in cli("device", "board", "update", wire.port, files[1], code=1)
        assert run(["device", "board", "update", wire.port, files[2]]) == 0
        assert "not newer" in cli("device", "board", "update", wire.port, files[1], code=1)
        wire.cut()
        wire.start()
        assert cli.json("device", "board", "status", wire.port)["counter"] == 2
        three = board.file("link3.bin", board.weights("one", 3))
        assert run(["device", "board", "update", wire.port, three, "--on-trial"]) == 0
        assert run(["device", "board", "revert", wire.port]) == 0
        assert run(["device", "board", "update", wire.port, three]) == 1


def test_weights_travel_in_a_package_that_a_gateway_runs(board: Board, tmp_path: Path, cli: Cli) -> None:
    carrier = read_package(board.runs["one"] / "small.edge")
    other_package = with_weights(carrier, "other", other(board.weights("two", 9)))
    package = tmp_path / "gateway.edge"
    package.write_bytes(other_package)
    assert parse_package(other_package, "made").files["boards/other.weights"] == other(board.weights("two", 9))
    with wired(board, tmp_path / "flash") as wire:
        assert "through its boot loader" in cli("device", "board", "update", wire.port, package, code=1)
        for counter, name in ((4, "two"), (3, "one")):
            other_package = with_weights(parse_package(other_package, "made"), name, board.weights(name, counter))
        package.write_bytes(other_package)
        Predictor(read_package(package))
        assert "weights 4 in slot 0" in cli("device", "board", "update", wire.port, package)


def other(data: bytes) -> bytes:
    """Return the same weights for code of another layout."""
    return data[:8] + bytes(32) + data[40:]


def test_a_transfer_goes_on_after_a_lost_link_and_begins_anew_after_a_lost_board(board: Board, tmp_path: Path) -> None:
    data = board.weights("one", 1)
    with wired(board, tmp_path / "flash") as wire, serial.Serial(wire.port, timeout=0.02) as port:
        seen: list[int] = []

        def unplugged(at: int, _: int) -> None:
            seen.append(at)
            if at > len(data) // 3:
                raise OSError("gone")

        for _ in range(2):
            with pytest.raises(OSError, match="gone"):
                update(BoardLine(port), data, "file", progress=unplugged)
        # The second began where the first had stopped.
        assert seen[-1] == seen[-2] > 0
        wire.cut()
        wire.start()
        again: list[int] = []
        answer = update(BoardLine(port), data, "file", progress=lambda at, _: again.append(at))
        assert again[0] == 0
        assert (answer.counter, answer.trial) == (1, None)


def test_a_board_that_loses_power_meanwhile_is_begun_anew(board: Board, tmp_path: Path) -> None:
    data = board.weights("one", 1)
    cuts: list[int] = []
    with wired(board, tmp_path / "flash") as wire, serial.Serial(wire.port, timeout=0.02) as port:

        def cut(at: int, _: int) -> None:
            if at and not cuts:
                cuts.append(at)
                wire.cut()
                wire.start()

        assert update(BoardLine(port), data, "file", progress=cut).counter == 1
        assert cuts


def test_lost_and_damaged_frames_are_sent_again(board: Board, tmp_path: Path) -> None:
    with wired(board, tmp_path / "flash") as wire, serial.Serial(wire.port, timeout=0.02) as port:
        bad = Bad(port, 4)
        answer = update(BoardLine(bad, patience=0.3), board.weights("one", 1), "file")
        assert (answer.counter, answer.trial) == (1, None)
        assert bad.sent > 8


def test_weights_for_another_board_are_not_even_sent(board: Board, tmp_path: Path) -> None:
    data = bytearray(board.weights("one", 1))
    data[8] ^= 1
    with wired(board, tmp_path / "flash") as wire, serial.Serial(wire.port, timeout=0.02) as port:
        with pytest.raises(CheckFailedError, match="update the firmware with the boot loader"):
            update(BoardLine(port), bytes(data), "file")
        assert BoardLine(port).ask(link.ASK).state == 0


def test_a_board_that_is_silent_is_told_of() -> None:
    class Silent:
        def read(self, size: int) -> bytes:
            time.sleep(0.01)
            return b""

        def write(self, data: bytes) -> int:
            return len(data)

    with pytest.raises(OutputError, match="none to 2 requests"):
        BoardLine(Silent(), patience=0.02, tries=2).ask(link.ASK)
    assert answer(request(link.ASK, 1).strip(b"\0"), link.ASK, 1) is None
    assert answer(b"\x05\x01", link.ASK, 1) is None
