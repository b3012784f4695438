"""Boards behind a gateway of a fleet, with real parts: server, agent, rollouts, and generated C at the end of lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from board_example import KEY, Board, build, train
from board_fleet import Gateway
from board_gateway import EmulatedBoard, PtyBoard, TcpBoard, build_example, lines_of
from c99_stages import need_compiler
from edgewright.device.boards.weights import renumbered
from edgewright.export.emulator import missing_tools
from fleet_servers import until
from line_cutter import Line
from support import left_out

pytest.importorskip("serial")
pytestmark = [pytest.mark.slow, pytest.mark.heavy]
SOON = "trial = 1.0\nlook = 30.0"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    need_compiler()
    folder = tmp_path_factory.mktemp("board")
    example = build(folder, train(folder, "one", "two"))
    build_example(example)
    return example


class Site:
    """A gateway with three boards: on a serial line, behind a line that can be held up, and an emulated Cortex-M4."""

    def __init__(self, folder: Path, board: Board) -> None:
        self.serial = PtyBoard(board, folder / "serial.flash")
        self.far = TcpBoard(board.folder / "example", folder / "far.flash")
        self.line = Line(self.far.port)
        self.emulated = EmulatedBoard(board)
        links = {"near": self.serial.link, "far": self.line.link, "m4": self.emulated.link}
        self.gateway = Gateway(folder, lines_of(links, lambda name: SOON))

    def close(self) -> None:
        self.gateway.close()
        self.line.close()
        self.serial.close()
        self.far.cut()
        self.emulated.close()


@pytest.fixture
def site(tmp_path: Path, board: Board) -> Iterator[Site]:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    site = Site(tmp_path, board)
    try:
        yield site
    finally:
        site.close()


def way_back(data: bytes, counter: int) -> bytes:
    body = renumbered(data, counter)
    return body + KEY.sign(body)


def test_boards_follow_their_gateway_there_and_back(site: Site, board: Board) -> None:
    gateway = site.gateway
    one = board.weights("one", 1)
    # One board is away for a while.
    site.far.cut()
    gateway.release(1, board, one)
    plan = gateway.roll_out("failed<=50%")
    boards = gateway.wait(near="confirmed 1", far="unreachable 0")
    assert boards["far"]["why"]
    assert "far unreachable" in gateway.run("fleet", "devices", "--fleet", "fleet")
    # The gateway has confirmed the release, and the gate waits for its boards all the same.
    assert "confirmed" in {one["what"] for one in gateway.seen()["outcomes"]}
    assert "'state': 'running'" in gateway.state(plan)
    site.far.start()
    gateway.wait(near="confirmed 1", far="confirmed 1")
    until(lambda: "finished" in gateway.state(plan), lambda: gateway.state(plan))

    # The agent is killed, and the power of the board cut, in the middle of a transfer.
    site.line.hold(500)
    gateway.release(2, board, board.weights("two", 2), way_back(one, 3))
    plan = gateway.roll_out()
    assert site.line.held.wait(180.0), gateway.said()
    gateway.kill()
    site.far.cut()
    site.line.release()
    site.far.start()
    gateway.start()
    gateway.wait(near="confirmed 2", far="confirmed 2")
    assert not [one for one in gateway.seen()["outcomes"] if one["because"] == "boards"]

    # The release is called back, and the boards with it, though they had confirmed.
    gateway.run("fleet", "rollout", "abort", "--fleet", "fleet", plan, "--revert")
    gateway.wait(near="confirmed 3", far="confirmed 3", m4="confirmed 3")
    shown = gateway.run("fleet", "devices", "gateway", "--fleet", "fleet")
    assert "near" in shown


def test_a_release_that_its_boards_refuse_is_halted(site: Site, board: Board) -> None:
    gateway = site.gateway
    # Weights for other code are no failure.
    data = board.weights("one", 1)
    gateway.release(1, board, data[:8] + bytes(32) + data[40:], seed="same")
    plan = gateway.roll_out("failed<=10%")
    gateway.wait(near="firmware 0", far="firmware 0", m4="firmware 0")
    assert "firmware update needed" in gateway.run("fleet", "devices", "gateway", "--fleet", "fleet")
    until(lambda: "finished" in gateway.state(plan), gateway.said)
    # This one differs in nothing but weights: boards do not wait for the trial of the gateway, which takes long.
    gateway.release(2, board, board.weights("one", 2, key=Ed25519PrivateKey.generate()), seed="same")
    plan = gateway.roll_out("failed<=10%", trial=3600.0)
    # The first refusal is enough, and the gateway goes back in the middle of its trial.
    until(lambda: "aborted" in gateway.state(plan), gateway.said)
    refused = [one for one in gateway.seen()["outcomes"] if one["because"] == "boards"]
    assert {one["plan"] for one in refused} == {plan}
    assert all("not signed with the board's key" in one["detail"] for one in refused)
    assert {one["detail"].partition(":")[0] for one in refused} <= {"near", "far", "m4"}
    until(lambda: gateway.seen()["device"]["counter"] == 1, gateway.said)
    gateway.wait(near="firmware 0", far="firmware 0", m4="firmware 0")
