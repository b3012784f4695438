"""The launcher as a process: what agents do to it, signals, systemd, a machine that sleeps, and its own death."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import pytest

import scripted_agent
from edgewright.core.records.fleet import TrialLimits
from edgewright.device.agent.parent_process import STORE_VARIABLE
from edgewright.fleet.device.launcher import LAUNCHER_VARIABLE, LOCK_FILE
from edgewright.fleet.device.launcher_record import RESERVE, RecordFile
from edgewright.fleet.device.state_database import State
from scripted_agent import LAUNCH, NEW, Scripted
from support import small_disk

pytestmark = pytest.mark.slow
HANGS = "say('READY=1')\ntime.sleep(1000)"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Scripted]:
    scripted = Scripted(tmp_path)
    try:
        yield scripted
    finally:
        if scripted.process is not None and scripted.process.poll() is None:
            scripted.process.kill()
            scripted.process.wait()


def runs(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize(
    ("code", "because", "detail"),
    [
        (HANGS, "patience", "hangs: no sign of life"),
        ("time.sleep(1000)", "patience", "hangs: no sign of life"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HANGS, "patience", "hangs: no sign of life"),
        ("sys.exit('wrong setting')", "start", "ended with exit code 1"),
        ("os.kill(os.getpid(), 11)", "start", "ended with signal 11"),
        ("sys.exit(0)", "start", "ended with exit code 0"),
        ("print('edgewright: expected enough memory', file=sys.stderr)\nsys.exit(74)", "memory", "out of memory"),
        # A process that the agent left behind beats for it.
        ("if os.fork(): time.sleep(1000)\nlive()", "patience", "hangs: no sign of life"),
        # Another one sends without end.
        ("if not os.fork():\n    while True: say('X=1')\ntime.sleep(1000)", "patience", "hangs: no sign of life"),
        (
            "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))\nleak = []\n"
            "while True: leak.append(bytearray(1 << 20))",
            "memory",
            "out of memory, ended with exit code 1",
        ),
        (
            "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
            "open('store/junk', 'wb').write(bytes(1 << 21))",
            "start",
            "ended with exit code 1",
        ),
    ],
)
def test_a_new_agent_is_taken_back(device: Scripted, code: str, because: str, detail: str) -> None:
    device.update(code)
    device.start()
    assert device.returned()[0] == because
    assert detail in device.returned()[1]
    assert device.starts() == [NEW] * 3 + ["base"]
    record = RecordFile(device.store).read()
    assert (record.counter, record.returned is not None and record.returned.because) == (0, because)
    assert device.end() == 0


def test_children_that_the_launcher_did_not_start_stay(device: Scripted) -> None:
    """Where a shell replaced itself by the launcher, and in a container, whose first process it is."""
    device.update("if os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\nos.kill(os.getpid(), 11)")
    before = (
        "import os, time\nif os.fork() == 0:\n    open('foreign', 'w').write(str(os.getpid()))\n    time.sleep(1000)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripted_agent, "LAUNCH", before + LAUNCH)
        device.start()
    device.wait(lambda: (device.folder / "foreign").exists() and (device.folder / "foreign").read_text())
    foreign = int((device.folder / "foreign").read_text())
    try:
        assert device.returned()[0] == "start"
        assert runs(foreign)
        assert device.end() == 0
        assert runs(foreign)
    finally:
        os.kill(foreign, signal.SIGKILL)


def test_a_device_without_room_and_half_written_files_end_no_launcher(device: Scripted) -> None:
    device.does(
        "place = len(open('starts').read().splitlines())\n"
        "if place == 2: sys.exit(2)\nif place == 3: sys.exit(74)\nlive()"
    )
    device.start()
    device.wait(lambda: len(device.starts()) == 1)
    with (device.store / "fleet.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (device.store / "launcher.state").write_bytes(b"\0" * 20_000)
        time.sleep(0.5)
        os.kill(device.pid(), signal.SIGSEGV)
        device.wait(lambda: "no other agent" in device.said())
    device.wait(lambda: len(device.starts()) == 4)
    assert device.end() == 0


def test_an_agent_that_cannot_beat_does_not_die_for_silence(device: Scripted) -> None:
    device.update("time.sleep(1000)", TrialLimits(patience=12.0), beats=False)
    device.start()
    assert device.returned() == ("patience", "not confirmed within 12 s of running")
    assert device.starts() == [NEW, "base"]


def test_what_an_agent_leaves_behind_ends_with_it(device: Scripted) -> None:
    device.update(
        "import fcntl\nlock = open('store/fleet.lock', 'a')\nfcntl.flock(lock, fcntl.LOCK_EX)\n"
        "open('left', 'a').close()\nbefore = os.path.getsize('left')\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "        open('left', 'a').write(str(os.getpid()) + ' ')\n        time.sleep(1000)\n    os._exit(0)\n"
        "while os.path.getsize('left') == before: time.sleep(0.01)\nos.kill(os.getpid(), 11)"
    )
    device.start()
    assert device.returned()[0] == "start"
    left = [int(process) for process in (device.folder / "left").read_text().split()]
    assert len(left) == 3
    assert not [process for process in left if runs(process)]


def test_a_disk_that_a_new_agent_filled_does_not_stop_the_return(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "24m") as disk:
        device = Scripted(disk)
        device.update(
            "file = open('store/junk', 'wb', buffering=0)\nfor size in (1 << 20, 4096, 1):\n    try:\n"
            "        while True: file.write(bytes(size))\n    except OSError: pass\n" + HANGS
        )
        process = device.start()
        try:
            device.wait((device.store / "launcher.state").exists)
            until = time.monotonic() + 90.0
            while RecordFile(device.store).read().returned is None:
                assert time.monotonic() < until, RecordFile(device.store).read()
                time.sleep(0.1)
            state = State.open(device.store, writable=False)
            state.close()
            assert (state.device_state.environment, state.device_state.burned) == ("", (1,))
            assert state.outcomes[-1].because == "patience"
            assert (device.store / "junk").stat().st_size > 10 << 20
            assert not (device.store / RESERVE).exists()
        finally:
            process.kill()
            process.wait()


def test_a_killed_launcher_leaves_nothing_that_stops_the_next_one(device: Scripted) -> None:
    device.does(
        "import fcntl\nlock = open('store/fleet.lock', 'a')\nfcntl.flock(lock, fcntl.LOCK_EX)\n"
        "open('left', 'a').close()\nbefore = os.path.getsize('left')\n"
        "if os.fork() == 0:\n    os.setsid()\n    open('left', 'w').write(str(os.getpid()))\n    time.sleep(1000)\n"
        "live()"
    )
    process = device.start()
    device.wait(lambda: (device.folder / "left").exists() and (device.folder / "left").read_text())
    agent, left = device.pid(), int((device.folder / "left").read_text())
    process.kill()
    process.wait()
    device.wait(lambda: not runs(agent))  # the kernel ends the agent with its launcher
    assert runs(left)
    device.does("live()")
    device.start()
    device.wait(lambda: len(device.starts()) == 2)
    device.wait(lambda: not runs(left))
    assert device.end() == 0


def test_a_process_of_another_store_that_had_the_same_path_stays(device: Scripted) -> None:
    """Of another container, for example, where the store has the same path."""
    mark = {STORE_VARIABLE: str(device.store.resolve())}
    with subprocess.Popen(["sleep", "1000"], env={**os.environ, **mark}) as other:
        try:
            device.start()
            device.wait(device.starts)
            assert other.poll() is None
            assert device.end() == 0
        finally:
            other.kill()


def test_a_launcher_that_is_killed_at_any_moment_decides_the_same(device: Scripted) -> None:
    device.update(HANGS, TrialLimits(boots=100))
    moments, deadline = cycle([4.0, 0.4, 12.0, 1.0, 7.0, 2.0, 15.0]), time.monotonic() + 100.0
    while "base" not in device.starts():
        assert time.monotonic() < deadline, device.said()
        process = device.start()
        # From the middle of a start to behind a hang: 6 s of silence and 10 s for an orderly end.
        ending = time.monotonic() + next(moments)
        while time.monotonic() < ending and "base" not in device.starts():
            time.sleep(0.02)
        process.kill()
        process.wait()
    device.start()
    assert device.returned()[0] in ("start", "patience")
    assert device.starts().count(NEW) <= 4


@pytest.mark.parametrize(("code", "expected"), [("sys.exit(2)", 2), ("sys.exit(74)", 74), ("sys.exit(0)", 0)])
def test_exit_codes_of_an_agent_that_ends_by_itself_are_those_of_the_command(
    device: Scripted, code: str, expected: int
) -> None:
    device.does(code)
    assert device.start().wait(60.0) == expected
    assert device.starts() == ["base"]


def test_a_device_with_a_release_waits_for_a_configuration_that_can_be_read(device: Scripted) -> None:
    state = State.open(device.store)
    state.change(begun=True, product="pump", active="b", counter=1)
    state.close()
    device.does("place = len(open('starts').read().splitlines())\nif place < 3: sys.exit(2)\nlive()")
    device.start()
    device.wait(lambda: len(device.starts()) == 3)
    assert device.end() == 0


def test_a_confirmed_agent_that_dies_or_hangs_starts_again(device: Scripted) -> None:
    device.does(
        "say('READY=1')\nplace = len(open('starts').read().splitlines())\n"
        "if place == 1: os.kill(os.getpid(), 11)\nif place == 2: sys.exit(1)\nif place == 3: time.sleep(1000)\nlive()"
    )
    device.start()
    device.wait(lambda: len(device.starts()) == 4)
    assert "next start in" in device.said()
    assert device.end() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_agent(device: Scripted, number: signal.Signals, code: int) -> None:
    device.does(
        "def told(number, frame):\n    open('told', 'w').write(str(number))\n    sys.exit(130 if number == 2 else 0)\n"
        "signal.signal(signal.SIGTERM, told)\nsignal.signal(signal.SIGINT, told)\nlive()"
    )
    process = device.start()
    device.wait(device.starts)
    time.sleep(0.3)
    process.send_signal(number)
    assert process.wait(60.0) == code
    assert (device.folder / "told").read_text() == str(int(number))


def test_an_agent_that_does_not_end_is_killed_in_time(device: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    device.does("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nlive()")
    process = device.start()
    device.wait(device.starts)
    agent = device.pid()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60.0) == 128 + signal.SIGKILL  # TimeoutStopSec= of the unit is 60 s
    assert not runs(agent)


def test_a_machine_that_sleeps_is_no_hang(device: Scripted) -> None:
    device.update("live()", TrialLimits(patience=1000.0))
    process = device.start()
    device.wait(device.starts)
    agent = device.pid()
    for number in (signal.SIGSTOP, signal.SIGCONT):
        os.kill(process.pid, number)
        os.kill(agent, number)
        if number == signal.SIGSTOP:
            time.sleep(4.0 * device.silence)
    time.sleep(2.0)
    assert device.starts() == [NEW]
    # It is counted as waiting time neither.
    assert device.end() == 0
    assert RecordFile(device.store).read().waited < 4.0 * device.silence
    assert RecordFile(device.store).read().ends == 0


def test_systemd_hears_the_agent_through_the_launcher(device: Scripted) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plug:
        plug.bind(str(device.folder / "notify"))
        plug.settimeout(30)
        device.does("time.sleep(1)\nlive()")
        device.start(NOTIFY_SOCKET=str(device.folder / "notify"), WATCHDOG_USEC="400000", WATCHDOG_PID="1")
        notifications = [plug.recv(200)]
        while notifications[-1] != b"READY=1":
            notifications.append(plug.recv(200))
        assert set(notifications[:-1]) == {b"EXTEND_TIMEOUT_USEC=30000000", b"WATCHDOG=1"}
        os.kill(device.pid(), signal.SIGSTOP)  # the launcher beats for itself and judges the agent
        assert {plug.recv(200) for _ in range(4)} == {b"WATCHDOG=1"}
        os.kill(device.pid(), signal.SIGCONT)
        assert device.process is not None
        device.process.send_signal(signal.SIGTERM)
        while (word := plug.recv(200)) != b"STOPPING=1":
            assert word in (b"WATCHDOG=1", b"READY=1")
        assert device.process.wait(60.0) == 0


def test_systemd_hears_the_launcher_while_an_agent_does_not_end(device: Scripted) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plug:
        plug.bind(str(device.folder / "notify"))
        plug.settimeout(30)
        device.does("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nlive()")
        process = device.start(NOTIFY_SOCKET=str(device.folder / "notify"), WATCHDOG_USEC="1000000", WATCHDOG_PID="1")
        device.wait(device.starts)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        while plug.recv(200) != b"STOPPING=1":
            pass
        for _ in range(6):
            assert plug.recv(200) == b"WATCHDOG=1"
        os.kill(device.pid(), signal.SIGKILL)
        assert process.wait(60.0) == 128 + signal.SIGKILL


def test_a_second_launcher_on_the_store_is_refused(device: Scripted) -> None:
    first = device.start()
    device.wait(device.starts)
    second = device.start()
    assert second.wait(60.0) == 2
    assert "no other agent" in device.said()
    assert first.poll() is None
    device.process = first
    assert (device.store / LOCK_FILE).exists()
    assert device.end() == 0


def test_an_agent_of_before_that_replaces_itself_lets_the_launcher_choose(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgewright", "device", "run", "--fleet", "http://127.0.0.1:9", "--store", "none"]
    environment = {**os.environ, LAUNCHER_VARIABLE: str(os.getpid()), "EDGEWRIGHT_RESTARTED": "1"}
    environment.pop("EDGEWRIGHT_ENVIRONMENT", None)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr, (tmp_path / "none").exists()) == (0, b"", False)
