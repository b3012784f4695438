"""What the launcher counts and decides: its record on the disk, verdicts, and a log that stays bounded."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from edgewright.cli.commands.device._fleet import fleet_lines, followed
from edgewright.core.errors import FormatNewerError, OutputError
from edgewright.core.records.fleet import Acknowledged, TrialLimits
from edgewright.device.agent.bounded_log import BoundedLog
from edgewright.device.agent.systemd import Supervisor
from edgewright.fleet.device import launcher_record
from edgewright.fleet.device.agent_choice import MARKER, AgentChoice, _fingerprint, verdict
from edgewright.fleet.device.launcher import AgentProcess, Launcher, _TickClock
from edgewright.fleet.device.launcher_record import FILE, RESERVE, LauncherRecord, RecordFile, Returned
from edgewright.fleet.device.state_database import State, Trial

NEW = "one"
TRIAL = Trial(
    plan="plan-1", stage=0, counter=1, previous="", before=0, plan_before="",
    limits=TrialLimits(boots=4, patience=1000.0),
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store on which a release with a new agent was activated."""
    environment = tmp_path / "environments" / NEW
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").write_text("")
    (environment / MARKER).write_text(_fingerprint(environment))
    state = State.open(tmp_path)
    state.change(begun=True, product="pump", active="b", counter=1, environment=NEW, trial=TRIAL)
    state.close()
    return tmp_path


def reported(store: Path, nonce: str) -> None:
    """Let the control plane acknowledge a report."""
    state = State.open(store)
    state.acknowledge(Acknowledged(nonce=nonce))
    state.close()


def test_an_agent_that_reports_and_hangs_again_and_again_goes_back(store: Path) -> None:
    choice = AgentChoice(store)
    for number in range(3):
        assert choice.choose() == NEW
        reported(store, f"n{number}")
        choice.ended("hang", "hangs: no sign of life for 300 s")
    assert choice.choose() == ""
    state = State.open(store)
    state.close()
    (outcome,) = state.outcomes
    assert (outcome.because, outcome.detail) == (
        "patience", "the new agent failed 3 times; last: hangs: no sign of life for 300 s"
    )  # fmt: skip
    assert AgentChoice(store).record.returned == choice.record.returned


def test_a_hang_after_ten_minutes_counts_and_waiting_survives_a_restart_of_the_launcher(store: Path) -> None:
    choice = AgentChoice(store)
    assert choice.choose() == NEW
    for _ in range(120):  # ten minutes of ticks
        assert choice.patient(TRIAL, 5.0)
    again = AgentChoice(store)
    assert again.record.waited == 600.0
    assert again.choose() == NEW
    assert again.record.cuts == 1
    assert not again.patient(TRIAL, 400.0)
    again.ended("", "patience has ended")
    assert again.choose() == ""
    assert again.record.returned is not None
    assert (again.record.returned.because, again.record.counter) == ("patience", 0)


def test_a_report_begins_the_count_of_starts_anew_and_power_cuts_have_their_own_limit(store: Path) -> None:
    for number in range(5):
        assert AgentChoice(store).choose() == NEW
        reported(store, f"n{number}")
    choice = AgentChoice(store)
    assert choice.choose() == ""
    assert choice.record.returned is not None
    assert (choice.record.returned.because, choice.record.returned.why) == ("boots", "cut off 5 times, 4 allowed")


def test_the_status_of_a_device_shows_what_the_launcher_counts_and_took_back(store: Path) -> None:
    choice = AgentChoice(store, wall=lambda: 1.8e9)
    for _ in range(2):
        assert choice.choose() == NEW
        assert choice.patient(TRIAL, 60.0)
        choice.ended("hang", "hangs: no sign of life for 300 s")
    lines = "\n".join(fleet_lines(followed(store)))
    assert "new agent: 2 starts without a report, ended 2 times (last: hangs: no sign of life for 300 s)" in lines
    assert "patience left: 880 s" in lines
    choice.choose()
    choice.ended("hang", "hangs: no sign of life for 300 s")
    assert choice.choose() == ""
    lines = "\n".join(fleet_lines(followed(store)))
    assert "patience left" not in lines
    assert "last return: release 1 and its agent, 2027-01-15" in lines
    assert "(patience: the new agent failed 3 times; last: hangs: no sign of life for 300 s)" in lines
    RecordFile(store).write(LauncherRecord(format=2))
    assert "of format 1 or older, got format 2" in "\n".join(fleet_lines(followed(store)))


def test_a_confirmed_agent_is_counted_no_more(store: Path) -> None:
    choice = AgentChoice(store)
    assert choice.choose() == NEW
    assert choice.on_trial
    state = State.open(store)
    state.change(trial=None)
    state.close()
    assert choice.look() is not None
    assert choice.record.counter == 0
    for _ in range(5):
        choice.ended("exit", "ended with signal 9")
        assert choice.choose() == NEW


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (LauncherRecord(ends=2, starts=2, last="hang"), ""),
        (LauncherRecord(ends=3, starts=3, last="exit"), "start"),
        (LauncherRecord(ends=3, starts=1, last="exit"), "crash"),
        (LauncherRecord(ends=3, starts=3, last="memory"), "memory"),
        (LauncherRecord(ends=3, starts=3, last="hang"), "patience"),
        (LauncherRecord(starts=3), "start"),
        (LauncherRecord(cuts=4), ""),
        (LauncherRecord(cuts=5), "boots"),
        (LauncherRecord(waited=1000.0), "patience"),
    ],
)
def test_a_verdict_is_of_the_counts_alone(record: LauncherRecord, expected: str) -> None:
    assert (verdict(record, TRIAL) or ("", ""))[0] == expected


def test_a_torn_or_flipped_slot_leaves_the_record_before(tmp_path: Path) -> None:
    file = RecordFile(tmp_path)
    for starts in range(1, 6):
        file.write(LauncherRecord(starts=starts))
    whole = (tmp_path / FILE).read_bytes()
    assert RecordFile(tmp_path).read().starts == 5
    newest = whole.index(b'"starts":5')
    for index in range(newest - 100, newest + 40, 3):
        damaged = bytearray(whole)
        damaged[index] ^= 0x10
        (tmp_path / FILE).write_bytes(damaged)
        assert RecordFile(tmp_path).read().starts in (4, 5)
    for size in (0, 1, 100, 8192, len(whole) - 1):
        (tmp_path / FILE).write_bytes(whole[:size])
        assert RecordFile(tmp_path).read().starts in (0, 4, 5)
        RecordFile(tmp_path).write(LauncherRecord(starts=9))
        assert RecordFile(tmp_path).read().starts == 9


def test_long_texts_fit_and_a_newer_format_is_refused_by_name(store: Path) -> None:
    choice = AgentChoice(store)
    choice.choose()
    choice.ended("exit", "\N{ELEPHANT}\n\x00" * 5000)
    returned = Returned(counter=1, because="crash", why="\N{ELEPHANT}" * 300, at=1.0)
    RecordFile(store).write(LauncherRecord(returned=returned, how=choice.record.how, nonce="\N{ELEPHANT}" * 500))
    assert RecordFile(store).read().returned == returned
    RecordFile(store).write(LauncherRecord(format=2))
    with pytest.raises(FormatNewerError, match="of format 1 or older, got format 2"):
        RecordFile(store).read()
    lines: list[str] = []
    assert (
        AgentChoice(store, lines.append).choose() == NEW
    )  # a launcher that was taken back starts an agent all the same
    assert "format 2" in lines[0]


def test_the_reserve_makes_room_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, tries = RecordFile(tmp_path), list[bool]()
    file.reserve()
    assert (tmp_path / RESERVE).stat().st_size == 256 << 10

    def change() -> str:
        tries.append((tmp_path / RESERVE).exists())
        if tries[-1]:
            raise OutputError("room", "a full disk", "store")
        return "written"

    assert (file.with_room(change), tries) == ("written", [True, False])
    monkeypatch.setattr(launcher_record, "_SPARE", 1 << 62)  # a disk without room to spare
    file.reserve()
    assert not (tmp_path / RESERVE).exists()


def test_a_record_that_cannot_be_written_is_counted_in_memory(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    choice = AgentChoice(store, lines.append)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for _ in range(3):
        assert choice.choose() == NEW
        choice.ended("exit", "ended with signal 11")
    assert "No space left" in lines[0]
    assert choice.record.ends == 3
    monkeypatch.undo()
    assert choice.choose() == ""


def test_a_log_passes_whole_lines_within_its_budget_and_never_blocks(tmp_path: Path) -> None:
    now = [0.0]
    with (tmp_path / "log").open("wb") as file:
        log = BoundedLog(file.fileno(), lambda: now[0], burst=1000, rate=10)
        log.take(b"begin\nhalf")
        log.take(b" a line\n" + b"x" * 99 + b"\n")
        for _ in range(100):
            log.take(b"y" * 99 + b"\n")
        now[0] = 20.0
        log.take(b"after\nend")
        log.finish()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[:3] == ["begin", "half a line", "x" * 99]
    assert lines[-3:] == ["edgewright: 9200 bytes of the log were left out", "after", "end"]
    assert list(log.last)[-1] == "end"
    reading, writing = os.pipe()
    try:
        log = BoundedLog(writing)
        for _ in range(4000):  # nobody reads
            log.take(b"z" * 99 + b"\n")
            log.pump()
        assert len(log._waiting) <= log.WAITING
    finally:
        os.close(reading)
        os.close(writing)


def test_a_log_writes_whole_lines_at_once() -> None:
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with reading, writing:
        log = BoundedLog(writing.fileno())
        log.take(b"z" * 98 + b"\n" + b"y" * 99 + b"\n" + (b"z" * 98 + b"\n") * 99)
        log.finish()
        pieces = [reading.recv(1 << 16) for _ in range(3)]
    assert [piece[-1:] for piece in pieces] == 3 * [b"\n"]
    assert sum(map(len, pieces)) == 100 * 99 + 100


class RefusedAgent:
    """An agent whose first starts fail; each later one ends as it is said."""

    def __init__(self, errors: list[Exception], requests: list[int]) -> None:
        self._errors, self._requests = errors, requests
        self.code: int | None = None
        self.silent, self.beaten, self.ready = 0.0, True, True
        self.started: list[str] = []

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        self.code = None
        if self._errors:
            raise self._errors.pop(0)
        self.started.append(environment["EDGEWRIGHT_ENVIRONMENT"])

    def wait(self, seconds: float, waker: int | None = None) -> list[str]:
        if self.started:
            self._requests.append(15)
            self.code = 0
        return []

    def end(self, seconds: float) -> None:
        pass


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EAGAIN, "no process"), OSError(errno.ENOMEM, "no memory"), OSError(errno.EMFILE, "no file"),
        OSError(errno.EIO, "a broken disk"), subprocess.SubprocessError("in preexec_fn"),
    ],
)  # fmt: skip
def test_a_device_without_room_for_a_process_keeps_the_environment(
    store: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    requests: list[int] = []
    lines: list[str] = []
    agent = RefusedAgent([error] * 4, requests)
    choice = AgentChoice(store, lines.append)
    launcher = Launcher(store, choice, agent, [], {}, requests, 0, Supervisor("", ""))  # type: ignore[arg-type]
    monkeypatch.setattr("time.monotonic", iter(range(0, 10**6, 3)).__next__)
    assert launcher.run() == 0
    assert agent.started == [NEW]
    assert choice.record.starts == 1
    assert len(lines) == 4 and "next start in" in lines[0]


def test_a_file_that_is_no_program_condemns_its_environment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[int] = []
    agent = RefusedAgent([OSError(errno.ENOEXEC, "no program")], requests)
    launcher = Launcher(store, AgentChoice(store), agent, [], {}, requests, 0, Supervisor("", ""))  # type: ignore[arg-type]
    monkeypatch.setattr("time.monotonic", iter(range(0, 10**6, 3)).__next__)
    assert launcher.run() == 0
    assert agent.started == [""]


def test_a_state_of_a_newer_version_keeps_the_choice(store: Path) -> None:
    lines: list[str] = []
    choice = AgentChoice(store, lines.append)
    assert choice.choose() == NEW
    state = State.open(store)
    state.change(trial=None)
    state.close()
    assert choice.choose() == NEW
    state = State.open(store)
    with state._database.transaction():
        state._database.execute("UPDATE kept SET value = '{\"floors\": \"newer\"}' WHERE key = 'held'")
    state.close()
    for again in (choice, AgentChoice(store, lines.append)):
        assert again.look() is None
        assert again.choose() == NEW
    assert "newer version" in lines[-1]
    file = RecordFile(store)
    number, content = file._newest()
    content = content.replace(b'"last":""', b'"last":"comet"')
    content = f"{number + 1} ".encode() + content
    (store / FILE).write_bytes(f"{zlib.crc32(content):08x} ".encode() + content)
    with pytest.raises(FormatNewerError, match="comet"):
        file.read()
    assert AgentChoice(store, lines.append).choose() == ""


def test_a_record_that_cannot_be_read_is_counted_in_memory(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    read = Path.read_bytes

    def broken(path: Path) -> bytes:
        if path.name == FILE:
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    AgentChoice(store).choose()
    before = (store / FILE).read_bytes()
    monkeypatch.setattr(Path, "read_bytes", broken)
    choice = AgentChoice(store, lines.append)
    assert choice.choose() == NEW
    assert choice.record.starts == 1
    assert "Input/output error" in lines[0]
    monkeypatch.undo()
    assert (store / FILE).read_bytes() == before


def test_the_reserve_stays_on_a_disk_that_turned_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RecordFile(tmp_path)
    file.reserve()

    def read_only(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def change() -> None:
        raise OutputError("room", "a read-only disk", "store")

    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(OutputError, match="a read-only disk"):
        file.with_room(change)


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # of JAX, where another test has loaded it
def test_a_signal_that_comes_before_the_agent_is_there_is_sent_as_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = AgentProcess(BoundedLog(2), True, ("EDGEWRIGHT_TEST_OF", str(os.getpid())))
    start = subprocess.Popen
    code = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); print(1, flush=True); time.sleep(60)"

    def signalled(*given: Any, **options: Any) -> Any:  # noqa: ANN401
        agent.signal(15)
        return start(*given, **options)

    monkeypatch.setattr(subprocess, "Popen", signalled)
    try:
        agent.start([sys.executable, "-c", code], dict(os.environ))
        while not agent._log.last:
            agent.wait(1.0)
        agent.end(20.0)
        assert agent.code == 7
    finally:
        agent.close()


def test_time_in_which_the_launcher_did_not_run_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    clock = _TickClock(10.0)
    now[0] += 4.0
    assert clock() == 4.0
    now[0] += 40_000.0
    assert clock() == 10.0
