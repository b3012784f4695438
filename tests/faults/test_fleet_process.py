"""A device of a fleet as processes: enrolled, updated, killed, taken back, with a real control plane and packages."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent_example import package
from board_fleet import COMMAND, ServedFleet
from edgewright.core.records.fleet import Release, TrialLimits, Vitals
from edgewright.fleet.device.model_process import ModelProcess
from edgewright.fleet.device.package_test import run_vectors
from edgewright.fleet.device.ports import FolderSlots
from edgewright.fleet.device.state_database import State
from fleet_servers import PATIENCE, until
from growing_rows import Rows
from support import below

pytestmark = pytest.mark.slow


class Fleet(ServedFleet):
    """Packages to update to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        package(folder / "r1.edge", provenance={"seed": "1"})
        package(folder / "unsure.edge", provenance={"seed": "u"}, thresholds={"confidence": 0.9999})

    def wait(self, text: str) -> None:
        until(lambda: text in self.said(), self.said)

    def roll_out(self, name: str, trial: str) -> str:
        self.run("fleet", "publish", name, "--fleet", "fleet")
        return self.begin(trial)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with closing(Fleet(tmp_path)) as fleet:
        yield fleet


def test_a_device_enrols_updates_goes_back_and_is_killed(fleet: Fleet) -> None:
    device = fleet.start("r0.edge", "--token", fleet.token)
    fleet.wait("release 0, idle: no rollout")
    launcher, agent = device.pid, below(device.pid)[0]
    for process, max_mib in ((launcher, 40), (agent, 48)):
        resident = Path(f"/proc/{process}/status").read_text()
        assert int(re.findall(r"VmRSS:\s+(\d+) kB", resident)[0]) <= max_mib * 1024
        assert "numpy" not in Path(f"/proc/{process}/maps").read_text()
    plan = fleet.roll_out("r1.edge", "seconds = 4.0")
    fleet.wait("release 1, idle: confirmed")

    # Killed, it takes the agent and the model's process along, and the next start goes on where it was.
    agent, model = below(device.pid)
    device.kill()
    device.wait()
    until(lambda: not Path(f"/proc/{agent}").exists() and not Path(f"/proc/{model}").exists())
    device = fleet.start()
    fleet.wait("release 1, idle: release 1 is active")

    # A release whose answers are unsure goes back by itself.
    fleet.run("fleet", "rollout", "abort", "--fleet", "fleet", plan)
    fleet.roll_out("unsure.edge", "seconds = 600.0\nunsure = 0.05")
    fleet.wait("rolled back")
    assert re.search(r"release 1, idle: .*rolled back: \d+ of \d+ answers unsure, 5% allowed", fleet.said())
    device.send_signal(signal.SIGTERM)
    assert device.wait(PATIENCE) == 0
    state = State.open(fleet.folder / "dev")
    device_state = state.device_state
    state.close()
    assert (device_state.counter, device_state.floor, device_state.trial) == (1, 1, None)
    assert len(device_state.burned) == 1
    # Without a network it runs what it has.
    fleet.server.terminate()
    fleet.server.wait(PATIENCE)
    (fleet.folder / "said").write_bytes(b"")
    device = fleet.start()
    fleet.wait("release 1, idle")
    until(lambda: len(below(device.pid)) == 2)


def test_wrong_use_is_said_in_a_line(tmp_path: Path) -> None:
    for arguments, message in (
        (["--fleet", "http://127.0.0.1:9"], "an enrolment token"),
        (["--fleet", "http://fleet.example", "--token", "x"], "an enrolment token ew1."),
        (["--fleet", "http://fleet.example", "--token", f"ew1.{'a' * 16}.1.{'0' * 64}.pump"], "expected TLS"),
    ):
        done = subprocess.run(
            [COMMAND, "device", "run", *arguments, "--store", "dev"], cwd=tmp_path, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert message in done.stderr


@contextmanager
def child_of(folder: Path, source: str = "", sign: float = 60.0) -> Iterator[ModelProcess]:
    slots = FolderSlots(folder)
    data = package(folder / "made.edge").read_bytes()
    release = Release(product="pump", counter=1, target="t", sha256=hashlib.sha256(data).hexdigest(), length=len(data))
    assert slots.put("a", data, release, 0)
    (folder / "private").mkdir()
    arguments = ("--store", str(folder / "store"), "--source", f"csv:{source or folder / 'rows.csv'}", "--quiet")
    child, rows = ModelProcess(slots, arguments, folder / "private", sign=sign), Rows(folder / "rows.csv")
    try:
        yield child
    finally:
        child.close()
        rows.close()


def stopped(child: ModelProcess) -> None:
    """Start it; when it is ready it is held, and hangs."""
    child.start("a", None)
    went_on(child, lambda: child._is_ready)
    assert child._process is not None
    os.kill(child._process.pid, signal.SIGSTOP)


def went_on(child: ModelProcess, true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, child.ended()
        child.wait(0.2)


def test_the_process_says_how_it_is_and_its_end_is_noticed(tmp_path: Path) -> None:
    with child_of(tmp_path, f"{tmp_path / 'rows.csv'}?begin=start") as child:
        child.start("a", TrialLimits())
        went_on(child, lambda: child.vitals().windows > 20)
        vitals: Vitals = child.vitals()
        assert vitals.memory > 10 << 20
        assert vitals.channels == 2
        assert set(vitals.classes) <= {"off", "on"}
        assert 0 < vitals.latency[1] < 10
        assert child.ended() is None
        assert child._process is not None
        os.kill(child._process.pid, signal.SIGSEGV)
        went_on(child, child.ended)
        assert "ended with signal 11" in str(child.ended())
        child.start("a", None)
        went_on(child, lambda: child.vitals().windows > 0)
        child.stop()
        assert not child.running()
        assert child.ended() is None


def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    with child_of(tmp_path, sign=2.0) as child:
        stopped(child)
        went_on(child, child.ended)
        assert "did not respond" in str(child.ended())


def test_a_stopped_process_hears_the_request_to_end(tmp_path: Path) -> None:
    with child_of(tmp_path) as child:
        stopped(child)
        process, began = child._process, time.monotonic()
        assert process is not None
        child.stop()
        assert (process.returncode, time.monotonic() - began < 10.0) == (0, True)


def test_output_without_end_keeps_the_agent_from_nothing(tmp_path: Path) -> None:
    with child_of(tmp_path) as child:
        command = ["sh", "-c", "exec yes 0123456789012345678901234567890123456789 >&2"]
        child._process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert child._process.stderr is not None
        os.set_blocking(child._process.stderr.fileno(), False)
        began = time.monotonic()
        for _ in range(5):
            child.wait(0.1)
        child.stop()
        assert time.monotonic() - began < 10.0


def test_a_process_that_ends_is_let_go_as_often_as_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.fleet.device.model_process._END", 0.5)
    let_go: list[int] = []
    with child_of(tmp_path) as child:
        child._before_end = lambda: let_go.append(1)
        stopped(child)
        child.stop()
    assert len(let_go) > 1


def test_a_process_that_cannot_begin_says_why(tmp_path: Path) -> None:
    with child_of(tmp_path, "nothing/there.csv?nonsense=1") as child:
        child.start("a", None)
        went_on(child, child.ended)
        assert "ended with exit code 2: " in str(child.ended())
        assert child.ended() == "ended with exit code 2: UnknownNameError:device.sources.StreamKind.short"


def test_vectors_pass_fail_or_are_no_package(tmp_path: Path) -> None:
    assert run_vectors(package(tmp_path / "good.edge"), TrialLimits()).ok
    wrong = run_vectors(package(tmp_path / "wrong.edge", wrong=0.5), TrialLimits())
    assert (wrong.ok, wrong.because) == (False, "vectors")
    (tmp_path / "bad.edge").write_bytes(b"PK\x03\x04 nonsense")
    damaged = run_vectors(tmp_path / "bad.edge", TrialLimits())
    assert (damaged.ok, damaged.because) == (False, "vectors")
    assert damaged.detail.startswith("PackageDamagedError:core.")
    slow = run_vectors(tmp_path / "good.edge", TrialLimits(), wall=0.01)
    assert (slow.ok, slow.because) == (False, "latency")


def test_the_process_of_the_vectors_has_limits() -> None:
    code = (
        "import resource, socket; from edgewright.fleet.device import package_test as tests\n"
        "left = tests.alone(); tests.limit(64 << 20, 5)\n"
        "try: bytearray(200 << 20); print('memory')\n"
        "except MemoryError: pass\n"
        "open('/dev/null').close(); print(resource.getrlimit(resource.RLIMIT_CPU)[0], left)\n"
        "try: socket.create_connection(('127.0.0.1', int(__import__('sys').argv[1])), 1); print('network', left)\n"
        "except OSError: print('none')\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", code, port], capture_output=True, text=True, timeout=60, check=True
        )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("5 ")
    # Where the kernel lets a user have no network, there is none.
    assert lines[1] == ("none" if lines[0] == "5 True" else "network False")
