"""A real update to an agent that misbehaves comes back by the launcher alone: nothing restarts it from outside.

The launcher's code path is that of production; only the seconds of silence are fewer.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent_example import package
from board_fleet import COMMAND, ServedFleet
from edgewright.fleet.device.launcher import SILENCE_VARIABLE
from edgewright.fleet.device.launcher_record import FILE, RESERVE
from edgewright.fleet.device.state_database import State
from faulty_agent import FAULTY, wheel
from fleet_servers import PATIENCE, until
from support import below, small_disk

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
SILENCE_S = 8.0


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(tmp_path_factory.mktemp("faulty"), "0.1.1", "runner.py", FAULTY)


class Fleet(ServedFleet):
    """One device, started once and by nobody again."""

    def begin_device(self, *more: str, before: Callable[[], None] | None = None, **variables: str) -> None:
        command = [COMMAND, "device", "run", "r0.edge", "--fleet", self.url, "--store", "dev", "--name", "pump-1"]
        command += ["--source", "csv:rows.csv", "--poll", "1", "--token", self.token, *more]
        with (self.folder / "said").open("ab") as log:
            self.device = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, preexec_fn=before,  # noqa: PLW1509
                env={**os.environ, SILENCE_VARIABLE: str(SILENCE_S), **variables},
            )  # fmt: skip
        until(lambda: self.held() is not None and self.held().begun, self.said)

    def held(self) -> Any:  # noqa: ANN401 - DeviceState, None before the first start
        try:
            state = State.open(self.folder / "dev", writable=False)
        except Exception:  # noqa: BLE001 - not there yet, or a transaction is under way
            return None
        state.close()
        return state.device_state

    def update(self, wheels: Path, fault: str, trial: str = "seconds = 600.0") -> str:
        """Activate a release whose agent misbehaves; the environment of its agent."""
        (self.folder / "fault").write_text(fault)
        package(self.folder / "r1.edge", provenance={"seed": fault})
        self.run("fleet", "publish", "r1.edge", "--fleet", "fleet", "--agent-wheels", str(wheels))
        self.begin(trial)
        self.wait(lambda: (state := self.held()) is not None and state.environment, PATIENCE)
        return "".join(state.environment for state in [self.held()] if state is not None)

    def wait(self, true: Callable[[], object], seconds: float = 2.0 * PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.said()[-4000:]
            assert self.device is not None
            assert self.device.poll() is None, self.said()[-4000:]
            time.sleep(0.2)

    def back(self) -> dict[str, Any]:
        """Wait until the old agent is back and its server knows why; the outcome."""
        self.wait(lambda: (state := self.held()) is not None and 1 in state.burned)
        state = self.held()
        assert (state.environment, state.counter, state.trial) == ("", 0, None)
        outcomes: list[dict[str, Any]] = []

        def reported() -> bool:
            printed = self.run("fleet", "devices", "pump-1", "--fleet", "fleet", "--json")
            outcomes[:] = [one for one in json.loads(printed)["history"]["outcomes"] if one["what"] == "reverted"]
            return bool(outcomes)

        self.wait(reported)
        return outcomes[0]

    def status(self) -> dict[str, Any]:
        store_status = json.loads(self.run("device", "status", "--store", "dev", "--json"))
        status: dict[str, Any] = store_status["fleet"]["launcher"]
        return status


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    served = Fleet(tmp_path, "--report-every", "5")
    try:
        yield served
    finally:
        served.close()


@pytest.mark.parametrize(
    ("fault", "because", "detail"),
    [
        ("import", "patience", "no sign of life"),
        ("first loop", "patience", "no sign of life"),
        ("later", "patience", "no sign of life"),
        ("ignores SIGTERM", "patience", "no sign of life"),
        ("forks and dies", "start", "ended with signal 11"),
    ],
)
def test_the_old_agent_returns(fleet: Fleet, wheels: Path, fault: str, because: str, detail: str) -> None:
    fleet.begin_device()
    fleet.update(wheels, fault)
    outcome = fleet.back()
    assert (outcome["counter"], outcome["because"]) == (1, because)
    assert detail in outcome["detail"]
    returned = fleet.status()["returned"]
    assert (returned["counter"], returned["because"]) == (1, because)
    left = fleet.folder / "left"
    for process in left.read_text().split() if left.exists() else ():
        assert not Path(f"/proc/{process}").exists()
    # The agent and the model's process run, and nothing else; a signal ends them in order.
    device = fleet.device
    assert device is not None
    fleet.wait(lambda: len(below(device.pid)) == 2)
    device.send_signal(signal.SIGTERM)
    assert device.wait(60.0) == 0


def test_an_agent_that_runs_and_reports_nothing_is_taken_back_after_patience(fleet: Fleet, wheels: Path) -> None:
    fleet.begin_device()
    fleet.update(wheels, "reports nothing", "seconds = 600.0\npatience = 25.0")
    until(lambda: fleet.status()["patience_left_s"] < 25.0, fleet.said)
    outcome = fleet.back()
    assert (outcome["because"], outcome["detail"]) == ("patience", "not confirmed within 25 s of running")


def test_a_flooded_log_stays_bounded(fleet: Fleet, wheels: Path) -> None:
    fleet.begin_device("--quiet")
    fleet.update(wheels, "floods its log")
    assert fleet.back()["because"] == "patience"
    assert (fleet.folder / "said").stat().st_size < 4 << 20
    assert "bytes of the log were left out" in fleet.said()


def test_a_full_disk_does_not_stop_the_return(tmp_path: Path, wheels: Path) -> None:
    with small_disk(tmp_path / "disk", "160m") as disk:
        fleet = Fleet(tmp_path, "--report-every", "5")
        (tmp_path / "dev").symlink_to(disk)
        try:
            fleet.begin_device()
            fleet.update(wheels, "fills the disk")
            fleet.wait((disk / FILE).exists)
            # It hangs, or its next starts find no room and end.
            assert fleet.back()["because"] in ("patience", "start")
            assert (disk / "junk").stat().st_size > 20 << 20
            assert not (disk / RESERVE).exists()
        finally:
            fleet.close()


def memory_group(megabytes: int) -> Path | None:
    """Make a group of processes with so much memory; None where this machine does not let us."""
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = root / f"edgewright-test-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(megabytes << 20))
        except OSError:
            if group.exists():
                group.rmdir()
            continue
        return group
    return None


@pytest.mark.parametrize("limit", ["group", "rlimit"])
def test_an_agent_that_leaks_memory_is_taken_back(fleet: Fleet, wheels: Path, limit: str) -> None:
    group = memory_group(400) if limit == "group" else None
    if limit == "group" and group is None:
        pytest.skip("left out: a group of processes of our own needs rights")

    def before() -> None:
        if group is not None:  # the launcher is in it too
            (group / "cgroup.procs").write_text(str(os.getpid()))

    try:
        fleet.begin_device(before=before)
        fleet.update(wheels, "leaks memory")
        if group is None:  # an installation needs more
            assert fleet.device is not None
            for process in (fleet.device.pid, *below(fleet.device.pid)):
                with suppress(ProcessLookupError):
                    resource.prlimit(process, resource.RLIMIT_DATA, (600 << 20, 600 << 20))
        outcome = fleet.back()
        assert (outcome["because"], "out of memory" in outcome["detail"]) == ("memory", True)
    finally:
        fleet.close()
        if group is not None:
            until(lambda: not (group / "cgroup.procs").read_text())
            group.rmdir()
