"""One look at a board and one step: what it does with weights that are refused, called back or for other code."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent_example import package
from board_example import KEY, PUBLIC, Board, build, train
from board_gateway import EmulatedBoard, PtyBoard
from c99_stages import need_compiler
from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import InputError
from edgewright.core.package import Package, parse_package, read_package
from edgewright.core.records.fleet import BoardAsk, BoardEntry, BoardRound, BoardSeen
from edgewright.device.boards.configuration import checked_link, read_boards
from edgewright.device.boards.link import BoardLine, open_link
from edgewright.device.boards.reconciliation import BoardCheck, look
from edgewright.device.boards.weights import (
    kept,
    only_for_boards,
    parse_weights,
    renumbered,
    same_content,
    with_weights,
)
from edgewright.export.emulator import missing_tools
from edgewright.fleet.device.board_process import carry_out
from edgewright.fleet.device.board_updates import BoardProcess
from support import left_out

serial = pytest.importorskip("serial")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    need_compiler()
    folder = tmp_path_factory.mktemp("board")
    return build(folder, train(folder, "one", "two"))


@pytest.fixture
def wire(board: Board, tmp_path: Path) -> Iterator[PtyBoard]:
    pty_board = PtyBoard(board, tmp_path / "flash")
    try:
        yield pty_board
    finally:
        pty_board.close()


class Desk:
    """Packages with weights, and looks at one board with them."""

    def __init__(self, board: Board, wire: PtyBoard, folder: Path) -> None:
        self.board, self.wire, self.ways = board, wire, folder / "ways"
        self._carrier = read_package(package(folder / "carrier.edge"))
        self.entry = BoardEntry(name="pump", link=wire.link)

    def package(self, data: bytes | None, back: bytes | None = None) -> Package:
        return self._carrier if data is None else parse_package(with_weights(self._carrier, "net", data, back), "p")

    def look(self, of: Package, *, confirm: bool = False, send: bool = True, **entry: str) -> BoardSeen:
        with open_link(self.wire.link) as port:
            board_check = BoardCheck(
                msgspec.structs.replace(self.entry, **entry), 5, of, self.ways, confirm=confirm, send=send
            )
            return look(BoardLine(port), board_check)

    def bring(self, data: bytes) -> BoardSeen:
        of = self.package(data)
        assert self.look(of).state == "trial"
        return self.look(of, confirm=True)

    def back(self, data: bytes, counter: int) -> bytes:
        body = renumbered(data, counter)
        return body + KEY.sign(body)


@pytest.fixture
def desk(board: Board, wire: PtyBoard, tmp_path: Path) -> Desk:
    return Desk(board, wire, tmp_path)


def test_a_trial_is_confirmed_when_it_is_over_and_survives_a_cut(desk: Desk) -> None:
    of = desk.package(desk.board.weights("one", 4))
    assert desk.look(desk.package(None)).state == "idle"
    first = desk.look(of)
    assert (first.state, first.counter, first.wanted, first.floor, first.release) == ("trial", 4, 4, 0, 5)
    desk.wire.cut()
    desk.wire.start()
    again = desk.look(of)
    assert (again.state, again.why) == ("trial", "on trial, 2 starts left")
    done = desk.look(of, confirm=True)
    assert (done.state, done.floor, done.layout) == ("confirmed", 4, desk.board.layout.hash[:16])


def test_a_board_that_goes_back_by_itself_is_told_of_and_not_sent_the_same_again(desk: Desk) -> None:
    desk.bring(desk.board.weights("one", 1))
    of = desk.package(desk.board.weights("two", 2))
    assert desk.look(of).state == "trial"
    for _ in range(4):
        desk.wire.cut()
        desk.wire.start()
        desk.look(of)
    board_state = desk.look(of, confirm=True)
    assert (board_state.state, board_state.counter, board_state.wanted, board_state.floor) == ("reverted", 1, 2, 2)
    assert board_state.why == "it went back from weights 2 and takes them no more"


def test_weights_of_a_wrong_key_are_refused_by_the_board_or_not_even_sent(desk: Desk) -> None:
    of = desk.package(desk.board.weights("one", 1, key=Ed25519PrivateKey.generate()))
    kept_back = desk.look(of, key=PUBLIC.hex())
    assert kept_back.state == "refused"
    assert "key that is configured" in kept_back.why
    board_state = desk.look(of)
    assert (board_state.state, board_state.counter, board_state.floor) == ("refused", 0, 0)
    assert board_state.why == "weights 1: not signed with the board's key"
    assert desk.look(of, send=False).why == "refused before"
    assert desk.look(desk.package(desk.board.weights("one", 1)), key=PUBLIC.hex()).state == "trial"


def test_older_weights_and_those_for_other_code_are_told_apart(desk: Desk) -> None:
    desk.bring(desk.board.weights("two", 7))
    old = desk.look(desk.package(desk.board.weights("one", 6)))
    assert (old.state, old.counter) == ("refused", 7)
    assert "need a number above 7" in old.why
    data = desk.board.weights("one", 9)
    other = data[:8] + bytes(32) + data[40:]
    board_state = desk.look(desk.package(other))
    assert (board_state.state, board_state.counter) == ("firmware", 7)
    # Weights that are meant for another board say nothing of this one.
    assert desk.look(desk.package(other), weights="another").state == "idle"
    assert desk.look(desk.package(other), weights="net").state == "firmware"


def test_a_release_that_is_called_back_takes_the_board_along(desk: Desk) -> None:
    one, two = desk.board.weights("one", 1), desk.board.weights("two", 2)
    desk.bring(one)
    before, after = desk.package(one), desk.package(two, desk.back(one, 3))
    # On trial: the board goes back to what lies in its other slot.
    assert desk.look(after).state == "trial"
    board_state = desk.look(before)
    assert (board_state.state, board_state.counter, board_state.floor) == ("confirmed", 1, 2)
    # Confirmed: without a way back it keeps what it has, and says so.
    desk.bring(desk.board.weights("two", 4))
    stuck = desk.look(before)
    assert (stuck.state, stuck.counter) == ("refused", 4)
    after = desk.package(desk.board.weights("two", 4), desk.back(one, 5))
    ask = BoardRound(release=5, package=str(desk.ways.with_name("p.edge")), ways=str(desk.ways), boards=())
    desk.ways.with_name("p.edge").write_bytes(with_weights(after, "net", after.files["boards/net.weights"],
                                                           after.files["boards/net.back"]))  # fmt: skip
    carry_out(ask, lambda seen: None)
    assert [weights.counter for weights, _ in kept(desk.ways)] == [5]
    board_state = desk.look(before)
    assert (board_state.state, board_state.counter, board_state.wanted) == ("confirmed", 5, 5)
    assert desk.look(before).state == "confirmed"


def test_a_trial_without_a_release_that_wants_it_is_ended(desk: Desk) -> None:
    desk.bring(desk.board.weights("one", 1))
    assert desk.look(desk.package(desk.board.weights("two", 2))).state == "trial"
    board_state = desk.look(desk.package(None))
    assert (board_state.state, board_state.counter) == ("idle", 1)


def test_a_round_is_carried_out_by_a_process_of_its_own(desk: Desk, tmp_path: Path) -> None:
    path, before = tmp_path / "p.edge", tmp_path / "before.edge"
    path.write_bytes(with_weights(desk.package(None), "net", desk.board.weights("one", 1)))
    package(before)
    gone = BoardEntry(name="gone", link="tcp:127.0.0.1:9")
    woken = threading.Event()
    hand = BoardProcess(woken.set)
    both = tuple(BoardAsk(entry=entry) for entry in (desk.entry, gone))

    def received_states(**more: object) -> dict[str, BoardSeen]:
        ask = BoardRound(release=1, package=str(path), ways=str(tmp_path / "ways"), boards=both)
        hand.start(msgspec.structs.replace(ask, **more))
        boards: dict[str, BoardSeen] = {}
        while hand.busy() is None:
            woken.wait(1.0)
            woken.clear()
        boards.update({one.name: one for one in hand.received()})
        assert hand.busy() == ""
        return boards

    # While the gateway tries another model, boards wait; where nothing else differs they need not.
    assert {one.state for one in received_states(trial=True).values()} == {"waiting"}
    other = package(tmp_path / "other.edge", provenance={"seed": "1"})
    assert {one.state for one in received_states(trial=True, before=str(other)).values()} == {"waiting"}
    assert only_for_boards(read_package(path), read_package(before))
    boards = received_states(trial=True, before=str(before))
    assert {name: one.state for name, one in boards.items()} == {"pump": "trial", "gone": "unreachable"}
    assert boards["gone"].why.endswith(":ECONNREFUSED")
    assert {one.state for one in received_states(package=str(tmp_path / "none.edge")).values()} == {"trouble"}
    hand.stop()


def test_an_emulated_board_gets_its_weights_over_its_uart(board: Board, tmp_path: Path) -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    emulated = EmulatedBoard(board)
    try:
        entry = BoardEntry(name="m4", link=emulated.link)
        carrier = read_package(package(tmp_path / "carrier.edge"))

        def round_of(counter: int, run_name: str, **more: bool) -> BoardSeen:
            path = tmp_path / f"{counter}.edge"
            path.write_bytes(with_weights(carrier, "net", board.weights(run_name, counter)))
            seen: list[BoardSeen] = []
            ask = BoardAsk(entry=entry, **more)
            ways = str(tmp_path / "ways")
            carry_out(BoardRound(release=1, package=str(path), ways=ways, boards=(ask,)), seen.append)
            return seen[-1]

        end = time.monotonic() + 180.0
        while (first := round_of(1, "one")).state == "unreachable":
            assert time.monotonic() < end, first
            time.sleep(0.2)
        assert (first.state, first.counter) == ("trial", 1)
        assert round_of(1, "one", confirm=True).state == "confirmed"
        # A model that makes the board fall over: after so many starts it is back at what it had.
        assert round_of(2, "two").state == "trial"
        for left in ("2 starts left", "1 start left", "0 starts left", "it went back"):
            emulated.reset()
            while left not in (seen_board := round_of(2, "two")).why:
                assert time.monotonic() < end, seen_board
                time.sleep(0.1)
        assert (seen_board.state, seen_board.counter, seen_board.floor) == ("reverted", 1, 2)
    finally:
        emulated.close()


def test_the_process_ends_with_its_agent(tmp_path: Path) -> None:
    ask = BoardRound(release=1, package="p", ways="w", boards=())
    hand = BoardProcess(lambda: None)
    hand.start(ask)
    process = hand._process
    assert process is not None
    hand.stop()
    assert process.returncode is not None
    assert hand.busy() == ""
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_weights_get_a_way_back_by_the_command(
    board: Board, tmp_path: Path, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "boards.key"
    assert run(["fleet", "key", "new", str(key)]) == 0
    public = key.with_suffix(".pub")
    firmware = tmp_path / "firmware"
    words = ["export", str(board.runs["one"]), "--to", "c99", "--slots", str(public), "--name", "net", "--form", "int8"]
    assert run([*words, "--out", str(firmware)]) == 0
    carrier = package(tmp_path / "r1.edge")
    common = ["--layout", str(firmware / "net_layout.json"), "--key", str(key)]
    capsys.readouterr()
    one, two = str(tmp_path / "one.edge"), str(tmp_path / "two.edge")
    first = ["fleet", "weights", str(board.runs["one"]), *common, "--counter", "1", "--into", str(carrier)]
    assert "no rollback" in cli(*first, "--out", one)
    second = ["fleet", "weights", str(board.runs["two"]), *common, "--counter", "2"]
    assert "--into beside --back-to" in cli(*second, "--back-to", one, code=2)
    assert "as 3; the next ones need 4 or more" in cli(*second, "--into", one, "--out", two, "--back-to", one)
    files = read_package(Path(two)).files
    assert parse_weights(files["boards/net.back"], "back").counter == 3
    assert same_content(files["boards/net.back"], read_package(Path(one)).files["boards/net.weights"])
    # The next release begins without the way back of the one before.
    assert "boards/net.back" not in parse_package(with_weights(read_package(Path(two)), "net", files[
        "boards/net.weights"]), "three").files  # fmt: skip


def test_boards_of_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_text('[[boards]]\nname = "a"\nlink = "serial:/dev/ttyACM0@9600"\n[[boards]]\nname = "b"\n'
                    'link = "tcp:[::1]:70"\ntrial = 5.0\n')  # fmt: skip
    boards = read_boards(path)
    assert [checked_link(one.link, "x") for one in boards] == [("serial", "/dev/ttyACM0", 9600), ("tcp", "::1", 70)]
    assert read_boards(None) == ()
    for text, message in (
        ('[[boards]]\nname = "a"\nlink = "usb"\n', "serial:PORT"),
        ('[[boards]]\nname = "a"\nlink = "tcp:h:1"\nspeed = 1\n', "no key 'speed'"),
        ('[[boards]]\nname = "a"\nlink = "tcp:h:1"\n[[boards]]\nname = "a"\nlink = "tcp:h:2"\n', "'a' twice"),
        ('[[boards]]\nname = "a"\nlink = "tcp:h:1"\nkey = "xyz"\n', "key"),
        ("[[boards]\n", "TOML"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message.replace("[", r"\[")):
            read_boards(path)


def test_a_line_over_which_rows_come_is_no_line_of_a_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port, alias = tmp_path / "ttyACM0", tmp_path / "by-id"
    port.touch()
    alias.symlink_to(port)
    path = tmp_path / "device.toml"
    boards = f'[[boards]]\nname = "pump"\nlink = "serial:{alias}@115200"\n'
    path.write_text(boards)
    for source in ("", f"serial:{port}2@115200", "csv:rows.csv", "mqtt:h:1883/x"):
        assert [one.name for one in read_boards(path, source)] == ["pump"]
    for source in (f"serial:{port}", f"serial:{port}@115200?form=framed", f"serial:{alias}@9600"):
        with pytest.raises(InputError, match="the board 'pump' over which no rows come") as exception_info:
            read_boards(path, source)
        assert "device board update" in exception_info.value.do
    path.write_text(f'{boards}[source]\nkind = "serial"\nport = "{port}"\n')
    with pytest.raises(InputError, match="the port of the source"):
        read_boards(path)
    assert read_boards(path, "csv:rows.csv")  # the command line comes first
    assert run(["device", "check", str(path)]) == 2 and "over which no rows come" in capsys.readouterr().err


def test_a_port_is_opened_at_the_rate_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    def refused(link: str) -> None:
        raise InputError("a port", link)

    monkeypatch.setattr("edgewright.device.boards.link.open_link", refused)
    assert "serial:/dev/none@57600" in cli("device", "board", "status", "/dev/none", "--baud", "57600", code=2)
